"""One attempt of a step: its folder, its inputs as private copies, KFP's executor input, its program."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidemill.artifacts import Artifact, ArtifactStore
from tidemill.base.site import Site
from tidemill.engine.bind import artifact_json, job_names
from tidemill.engine.environments import Environment
from tidemill.engine.graph import Node, RunGraph
from tidemill.engine.launchers import LaunchRequest, Limits
from tidemill.engine.mlflow_files import mlflow_variables
from tidemill.locks import StepKind
from tidemill.pipelines import PlaceholderContext, resolve_env, resolve_placeholders, resolve_resources
from tidemill.pipelines.model import NO_RESOURCES, ContainerExecutor

KFP_MODULE = "kfp.dsl.executor_main"
STEP_MODULE = "tidemill_runtime.step"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFolder:
    """Where one attempt works; everything in it is its own and goes away with it."""

    root: Path

    @property
    def work(self) -> Path:
        """The working folder of the program."""
        return self.root / "work"

    @property
    def home(self) -> Path:
        """Its HOME."""
        return self.root / "home"

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.root / "tmp"

    @property
    def inputs(self) -> Path:
        """Private copies of its input artifacts."""
        return self.root / "in"

    @property
    def outputs(self) -> Path:
        """Where its outputs are expected."""
        return self.root / "out"

    @property
    def output_file(self) -> Path:
        """KFP's executor output."""
        return self.outputs / "executor_output.json"

    @property
    def failure_file(self) -> Path:
        """What our step runtime says about a failure."""
        return self.outputs / "failure.json"

    @property
    def metrics_file(self) -> Path:
        """JSON lines of metrics, written while the step runs."""
        return self.root / "metrics.jsonl"

    @property
    def mlflow(self) -> Path:
        """Where MLflow logs, when the program uses it."""
        return self.root / "mlflow"

    def output_parameter(self, name: str) -> Path:
        """The file of an output parameter."""
        return self.outputs / "parameters" / _file_name(name)

    def output_artifact(self, name: str) -> Path:
        """The place of an output artifact."""
        return self.outputs / "artifacts" / _file_name(name)

    def input_artifact(self, name: str, position: int) -> Path:
        """The place of an input artifact."""
        return self.inputs / f"{_file_name(name)}" / str(position)


def _file_name(name: str) -> str:
    """A port's name as a file name: itself when that is plain, else a digest of it."""
    plain = name.replace("-", "").replace("_", "").isalnum() and name.isascii() and len(name) < 128
    return name if plain else hashlib.sha256(name.encode()).hexdigest()[:32]


def log_name(run_id: str, node: Node, number: int) -> str:
    """The log of an attempt, relative to the home's log folder."""
    readable = "".join(character if character.isalnum() or character in "-_." else "_" for character in node.path)
    return f"{run_id}/{readable[-80:]}-{node.id[-8:]}-{number}.log"


def executor_input(node: Node, folder: StepFolder) -> dict[str, Any]:
    """KFP's ExecutorInput with local paths as URIs."""
    artifacts: dict[str, Any] = {}
    for name, found in node.artifacts.items():
        listed = [artifact_json(one, _local_uri(one, folder.input_artifact(name, i))) for i, one in enumerate(found)]
        artifacts[name] = {"artifacts": listed}
    outputs = node.component.outputs
    made = {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "type": {"schemaTitle": spec.schema_title, "schemaVersion": spec.schema_version},
                    "uri": str(folder.output_artifact(name)),
                    "metadata": dict(spec.metadata),
                }
            ]
        }
        for name, spec in outputs.artifacts.items()
    }
    return {
        "inputs": {"parameterValues": node.parameters, "artifacts": artifacts},
        "outputs": {
            "parameters": {name: {"outputFile": str(folder.output_parameter(name))} for name in outputs.parameters},
            "artifacts": made,
            "outputFile": str(folder.output_file),
        },
    }


def _local_uri(one: Artifact, path: Path) -> str:
    return str(path) if one.content is not None else one.uri


def make_folder(blobs: ArtifactStore, node: Node, folder: StepFolder, log: Path) -> None:
    """Make the attempt's folder with private copies of its inputs; raises `CorruptArtifact`, `StorageFull`."""
    if folder.root.exists():
        shutil.rmtree(folder.root)
    folder.root.mkdir(parents=True, mode=0o700)
    for path in (folder.work, folder.home, folder.temporary, folder.outputs):
        path.mkdir()
    for path in (folder.outputs / "parameters", folder.outputs / "artifacts"):
        path.mkdir()
    if node.artifacts:
        folder.inputs.mkdir()
    for name, found in node.artifacts.items():
        for position, one in enumerate(found):
            target = folder.input_artifact(name, position)
            target.parent.mkdir(exist_ok=True)
            if one.content is not None:
                blobs.materialize(one.content, target)
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """What is needed to make a launch request of an attempt."""

    site: Site
    graph: RunGraph
    node: Node
    environment: Environment
    folder: StepFolder
    attempt_id: str
    number: int
    seed: int
    log: Path


def launch_request(context: StepContext) -> LaunchRequest:
    """The program of an attempt; `InvalidInput` for a placeholder that names nothing."""
    node = context.node
    executor = node.component.executor
    assert isinstance(executor, ContainerExecutor)
    given = executor_input(node, context.folder)
    placeholders = PlaceholderContext(executor_input=given, job=job_names(context.graph, node))
    limits = Limits()
    if executor.resources != NO_RESOURCES:
        limits = Limits(data_bytes=resolve_resources(executor.resources, placeholders).memory_limit_bytes)
    return LaunchRequest(
        key=context.attempt_id,
        python=context.environment.python,
        runtime=context.environment.runtime,
        program=_program(context, executor, placeholders),
        folder=context.folder.work,
        log=context.log,
        environment={
            **_variables(context),
            **_platform_fields(context, executor),
            **resolve_env(executor.env, placeholders),
        },
        preload=context.environment.preload,
        seed=context.seed,
        limits=limits,
    )


def _program(context: StepContext, executor: ContainerExecutor, placeholders: PlaceholderContext) -> dict[str, Any]:
    command = context.environment.command
    if command is None:
        return {"kind": "argv", "argv": resolve_placeholders((*executor.command, *executor.args), placeholders)}
    argv = resolve_placeholders(command.argv, placeholders)
    if command.kind is StepKind.PLAIN:
        return {"kind": "argv", "argv": argv}
    if command.kind is StepKind.RUNTIME:
        return {"kind": "module", "module": STEP_MODULE, "args": argv}
    (source,) = resolve_placeholders((command.source or "",), placeholders)
    module = context.folder.root / "program" / "ephemeral_component.py"
    module.parent.mkdir(exist_ok=True)
    module.write_text(source, encoding="utf-8")
    return {"kind": "module", "module": KFP_MODULE, "args": ["--component_module_path", str(module), *argv]}


def _variables(context: StepContext) -> dict[str, str]:
    folder = context.folder
    bin_folder = context.environment.python.parent
    return {
        "PATH": f"{bin_folder}:{os.environ.get('PATH', _SYSTEM_PATH)}",
        "VIRTUAL_ENV": str(bin_folder.parent),
        "HOME": str(folder.home),
        "TMPDIR": str(folder.temporary),
        "TIDEMILL_RUN_ID": context.graph.id,
        "TIDEMILL_TASK_ID": context.node.id,
        "TIDEMILL_ATTEMPT": str(context.number),
        "TIDEMILL_METRICS": str(folder.metrics_file),
        "TIDEMILL_SEED": str(context.seed),
        "KFP_RUN_ID": context.graph.id,
        **mlflow_variables(folder.mlflow),
    }


def _platform_fields(context: StepContext, executor: ContainerExecutor) -> dict[str, str]:
    """Pod field paths that have a meaning here; others are empty."""
    known = {
        "metadata.name": context.node.path,
        "metadata.uid": context.attempt_id,
        "metadata.namespace": context.graph.namespace_id,
    }
    return {variable: known.get(path, "") for variable, path in executor.platform.fields.items()}


def input_bytes(node: Node) -> int:
    """How much there is to copy before the step can start."""
    return sum(one.content.size_bytes for found in node.artifacts.values() for one in found if one.content is not None)


def read_json_file(path: Path, *, limit_bytes: int) -> Mapping[str, Any] | None:
    """A JSON object in a file that a step wrote, None when there is none; ValueError when it is anything else."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit_bytes + 1)
    except FileNotFoundError:
        return None
    if len(data) > limit_bytes:
        raise ValueError(f"{path.name} has more than {limit_bytes} bytes")
    try:
        value = json.loads(data)
    except RecursionError as problem:
        raise ValueError(f"{path.name} is nested too deep") from problem
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no JSON object")
    return value

"""After a step has ended well: its output parameters, artifacts and metrics."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.artifacts import Artifact, ArtifactStore, Content, Direction, Edge, NewArtifact
from tidemill.artifacts.record import prepare_artifact
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.engine.changes import MetricPoint
from tidemill.engine.graph import Node, RunGraph
from tidemill.engine.mlflow_files import ARTIFACT_NAME, logged_fields
from tidemill.engine.step import StepFolder, read_json_file
from tidemill.pipelines.model import ArtifactSpec, ParameterType

MAX_OUTPUT_FILE_BYTES = 64 << 20
MAX_PARAMETER_BYTES = 16 << 20
SMALL_BYTES = 1 << 20
_METRICS_TYPE = "system.Metrics"
_LOGGED_TYPE = "system.Artifact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a step gave back; its artifacts' contents are in the store, the artifacts not yet in the database."""

    parameters: dict[str, Any]
    artifacts: dict[str, list[Artifact]]
    metrics: list[MetricPoint] = field(default_factory=list)


def has_small_outputs(folder: StepFolder) -> bool:
    """True when collecting takes so little time that it need not leave the worker's loop."""
    if folder.mlflow.exists():
        return False
    total = 0
    for path in (folder.outputs / "artifacts").iterdir():
        if path.is_dir() or path.is_symlink():
            return False
        total += path.stat().st_size
    return total <= SMALL_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Collects the outputs of one attempt; raises `InvalidInput` for outputs that cannot be read, `StorageFull`."""

    site: Site
    blobs: ArtifactStore
    graph: RunGraph
    node: Node
    attempt_id: str
    folder: StepFolder

    def collect(self) -> Collected:
        """Read the outputs and move them into the store."""
        try:
            written = read_json_file(self.folder.output_file, limit_bytes=MAX_OUTPUT_FILE_BYTES) or {}
        except ValueError as problem:
            raise InvalidInput(f"the step's executor output cannot be read: {problem}") from problem
        parameters = self._parameters(written.get("parameterValues") or {})
        described = written.get("artifacts") or {}
        artifacts: dict[str, list[Artifact]] = {}
        for name, spec in self.node.component.outputs.artifacts.items():
            artifacts[name] = self._artifacts(name, spec, described.get(name) or {})
        metrics = _metrics(artifacts)
        if ARTIFACT_NAME not in artifacts and (logged := self._logged()) is not None:
            artifacts[ARTIFACT_NAME] = [logged]
        return Collected(parameters=parameters, artifacts=artifacts, metrics=metrics)

    def _logged(self) -> Artifact | None:
        """What the program logged with MLflow, as the folder that MLflow wrote; its metrics were read from there."""
        fields = logged_fields(self.folder.mlflow)
        if fields is None:
            return None
        new = NewArtifact(
            name=ARTIFACT_NAME,
            type=_LOGGED_TYPE,
            content=self.blobs.ingest(self.folder.mlflow),
            metadata=fields,
            run_id=self.graph.id,
            task_id=self.node.id,
            attempt_id=self.attempt_id,
        )
        return prepare_artifact(self.site, new, namespace_id=self.graph.namespace_id, created_by=self.graph.author)

    def _parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, spec in self.node.component.outputs.parameters.items():
            if name in given:
                found[name] = given[name]
                continue
            path = self.folder.output_parameter(name)
            if not path.is_file():
                continue
            if path.stat().st_size > MAX_PARAMETER_BYTES:
                raise InvalidInput(f"the output parameter {name!r} is larger than {MAX_PARAMETER_BYTES >> 20} MiB")
            found[name] = parse_parameter(path.read_bytes(), spec.type, name=name)
        return found

    def _artifacts(self, name: str, spec: ArtifactSpec, described: Mapping[str, Any]) -> list[Artifact]:
        entries = described.get("artifacts")
        if entries is None:
            entries = [] if spec.is_list else [{}]
        return [self._artifact(name, spec, entry) for entry in entries]

    def _artifact(self, name: str, spec: ArtifactSpec, entry: Mapping[str, Any]) -> Artifact:
        expected = self.folder.output_artifact(name)
        uri = str(entry.get("uri") or expected)
        custom = entry.get("customPath") or entry.get("custom_path")
        content, kept_uri = self._content(expected, Path(custom) if custom else None, uri)
        kind = entry.get("type") or {}
        new = NewArtifact(
            name=name,
            type=kind.get("schemaTitle") or spec.schema_title,
            type_version=kind.get("schemaVersion") or spec.schema_version,
            content=content,
            uri=kept_uri,
            metadata={**spec.metadata, **_finite(entry.get("metadata") or {})},
            run_id=self.graph.id,
            task_id=self.node.id,
            attempt_id=self.attempt_id,
        )
        return prepare_artifact(self.site, new, namespace_id=self.graph.namespace_id, created_by=self.graph.author)

    def _content(self, expected: Path, custom: Path | None, uri: str) -> tuple[Content | None, str]:
        if "://" in uri and not uri.startswith("file://"):
            return None, uri  # the step put it elsewhere and said so
        path = custom or Path(uri.removeprefix("file://"))
        if not path.exists():
            path = expected
        if not path.exists():
            return None, ""
        inside = path.resolve().is_relative_to(self.folder.root.resolve())
        if not inside or path.is_symlink():
            path = self._copied(path)
        return self.blobs.ingest(path), ""

    def _copied(self, path: Path) -> Path:
        """What lies outside the attempt's folder is not ours to move away."""
        target = self.folder.root / f"copy-{self.site.ids.new()}"
        if path.is_dir():
            shutil.copytree(path, target, symlinks=True)
        else:
            shutil.copyfile(path, target)
        return target


def parse_parameter(data: bytes, kind: ParameterType, *, name: str) -> Any:
    """The value in an output parameter's file, by the parameter's type; `InvalidInput` when it does not fit."""
    try:
        text = data.decode("utf-8")
        if kind is ParameterType.STRING:
            return text
        if kind is ParameterType.NUMBER_INTEGER:
            return int(text.strip())
        if kind is ParameterType.NUMBER_DOUBLE:
            return float(text.strip())
        if kind is ParameterType.BOOLEAN:
            return {"true": True, "false": False}[text.strip().lower()]
        return json.loads(text)
    except (ValueError, KeyError, RecursionError) as problem:
        raise InvalidInput(f"the output parameter {name!r} is no {kind.value}: {data[:80]!r}") from problem


def _finite(metadata: dict[str, Any]) -> dict[str, Any]:
    """Metadata without NaN and infinities, which no database's JSON takes: they stand as text."""

    def fixed(value: Any) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return repr(value)
        if isinstance(value, dict):
            return {str(key): fixed(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [fixed(inner) for inner in value]
        return value

    return {key: fixed(value) for key, value in metadata.items()}


def _metrics(artifacts: Mapping[str, list[Artifact]]) -> list[MetricPoint]:
    """The numbers in the metadata of metrics artifacts."""
    return [
        MetricPoint(name=key, value=float(value))
        for made in artifacts.values()
        for one in made
        if one.type == _METRICS_TYPE
        for key, value in one.metadata.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def edges_of(run_id: str, node: Node) -> list[Edge]:
    """What a task that has ended well read and made, as edges."""
    return [
        Edge(run_id=run_id, task_id=node.id, artifact_id=one.id, direction=direction, port=port, position=position)
        for direction, ports in ((Direction.INPUT, node.artifacts), (Direction.OUTPUT, node.out_artifacts))
        for port, found in ports.items()
        for position, one in enumerate(found)
    ]

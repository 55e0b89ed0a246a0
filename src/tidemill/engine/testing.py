"""Fakes and small specs for tests of the engine and of what builds on it: no processes, no venvs, no kfp."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidemill.engine.environments import Environment
from tidemill.engine.launchers import LaunchRequest
from tidemill.engine.launchers.memory import Hang
from tidemill.pipelines import Component, Pipeline, load_pipeline

_PARAMETER_TYPES = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", str: "STRING", bool: "BOOLEAN", list: "LIST"}
Program = Callable[[dict[str, Any]], "Mapping[str, Any] | int | Hang | None"]
"""Gets the input parameters and the paths of artifacts by name; gives output parameters, a status, a `Hang` or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A task with one container; an input `"@task.output"` comes from another task, anything else is a constant.

    `command` may hold placeholders; without one, a `FakeProgram` of the step's name is meant. `outputs` are parameters,
    `files` artifacts with their type.
    """

    name: str
    command: Sequence[str] = ()
    inputs: Mapping[str, Any] = field(default_factory=dict)
    input_files: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, type] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    after: Sequence[str] = ()
    retries: int = 0
    is_cached: bool = True
    runs_always: bool = False
    image: str = "python:3.11"


def pipeline_of(*steps: Step, name: str = "test", parameters: Mapping[str, type] | None = None) -> Pipeline:
    """A pipeline of steps; an input `"$name"` is a parameter of the run."""
    by_name = {step.name: step for step in steps}
    given = {key: {"parameterType": _PARAMETER_TYPES[kind]} for key, kind in (parameters or {}).items()}
    root: dict[str, Any] = {"dag": {"tasks": {step.name: _task(step) for step in steps}}}
    if given:
        root["inputDefinitions"] = {"parameters": given}
    spec = {
        "pipelineInfo": {"name": name},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.13.0",
        "root": root,
        "components": {f"comp-{step.name}": _component(step, by_name, parameters or {}) for step in steps},
        "deploymentSpec": {"executors": {f"exec-{step.name}": {"container": _container(step)} for step in steps}},
    }
    return load_pipeline(json.dumps(spec), place=name)


def _container(step: Step) -> dict[str, Any]:
    command = list(step.command) or ["fake-program", step.name, "{{$}}"]
    return {"image": step.image, "command": command}


def _task(step: Step) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name, value in step.inputs.items():
        if isinstance(value, str) and value.startswith("@"):
            task, _, output = value[1:].partition(".")
            parameters[name] = {"taskOutputParameter": {"producerTask": task, "outputParameterKey": output}}
        elif isinstance(value, str) and value.startswith("$"):
            parameters[name] = {"componentInputParameter": value[1:]}
        else:
            parameters[name] = {"runtimeValue": {"constant": value}}
    artifacts: dict[str, Any] = {}
    for name, source in step.input_files.items():
        task, _, output = source[1:].partition(".")
        artifacts[name] = {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": output}}
    sources = [value for value in (*step.inputs.values(), *step.input_files.values()) if isinstance(value, str)]
    upstream = {value[1:].partition(".")[0] for value in sources if value.startswith("@")} | set(step.after)
    task_json: dict[str, Any] = {
        "taskInfo": {"name": step.name},
        "componentRef": {"name": f"comp-{step.name}"},
        "cachingOptions": {"enableCache": True} if step.is_cached else {},
        "inputs": {"parameters": parameters, "artifacts": artifacts},
        "dependentTasks": sorted(upstream),
    }
    if step.retries:
        task_json["retryPolicy"] = {"maxRetryCount": step.retries, "backoffDuration": "0s", "backoffFactor": 1.0}
    if step.runs_always:
        task_json["triggerPolicy"] = {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    return task_json


def _component(step: Step, steps: Mapping[str, Step], parameters: Mapping[str, type]) -> dict[str, Any]:
    def kind(value: Any) -> str:
        if isinstance(value, str) and value.startswith("@"):
            task, _, output = value[1:].partition(".")
            return _PARAMETER_TYPES[steps[task].outputs[output]]
        if isinstance(value, str) and value.startswith("$"):
            return _PARAMETER_TYPES[parameters[value[1:]]]
        return _PARAMETER_TYPES[type(value)]

    def files(types: Mapping[str, str]) -> dict[str, Any]:
        return {
            name: {"artifactType": {"schemaTitle": title, "schemaVersion": "0.0.1"}} for name, title in types.items()
        }

    def source_type(source: str) -> str:
        task, _, output = source[1:].partition(".")
        return steps[task].files[output]

    return {
        "executorLabel": f"exec-{step.name}",
        "inputDefinitions": {
            "parameters": {
                name: {"parameterType": kind(value), "isOptional": step.runs_always}
                for name, value in step.inputs.items()
            },
            "artifacts": files({name: source_type(source) for name, source in step.input_files.items()}),
        },
        "outputDefinitions": {
            "parameters": {name: {"parameterType": _PARAMETER_TYPES[one]} for name, one in step.outputs.items()},
            "artifacts": files(step.files),
        },
    }


class FakeEnvironments:
    """`Environments` that are there already, without a venv."""

    def known(self, component: Component) -> Environment | None:
        """See `Environments`."""
        return self.prepare(component)

    def prepare(self, component: Component) -> Environment:
        """See `Environments`."""
        return Environment(python=Path(sys.executable), runtime=Path("/"), lock_digest="sha256:fake", command=None)


class FakePrograms:
    """A behaviour for `MemoryLauncher`: each step's name has a Python function; others give nothing and succeed."""

    def __init__(self, **programs: Program) -> None:
        self.programs: dict[str, Program] = dict(programs)
        self.calls: list[str] = []

    def __call__(self, request: LaunchRequest) -> int | Hang:
        """Run the function of the step that was asked for and write what it gives where KFP expects it."""
        _, name, text = request.program["argv"]
        self.calls.append(name)
        given = json.loads(text)
        inputs = dict(given["inputs"]["parameterValues"])
        for side in ("inputs", "outputs"):
            for port, listed in given[side]["artifacts"].items():
                inputs[port] = Path(listed["artifacts"][0]["uri"])
        program = self.programs.get(name)
        result = None if program is None else program(inputs)
        if isinstance(result, int | Hang):
            return result
        Path(given["outputs"]["outputFile"]).write_text(json.dumps({"parameterValues": dict(result or {})}))
        return 0

"""Binding a task's inputs: constants, inputs of the DAG, outputs of other tasks, final statuses, defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tidemill.artifacts import Artifact
from tidemill.base.errors import InvalidInput
from tidemill.engine.graph import Node, RunGraph, Scope
from tidemill.engine.model import State
from tidemill.pipelines import MISSING, PlaceholderContext, resolve_value, select_value
from tidemill.pipelines.model import Constant, FinalStatus, FromInput, FromTask, ParameterBinding


def bind_inputs(graph: RunGraph, node: Node) -> None:
    """Set the node's parameters and artifacts; `InvalidInput` names the input that is missing and where it should
    have come from."""
    scope, spec, inputs = node.scope, node.spec, node.component.inputs
    node.artifacts = {}
    for name, binding in spec.artifacts.items():
        found = (
            scope.artifacts.get(binding.name)
            if isinstance(binding, FromInput)
            else scope.nodes[binding.task].out_artifacts.get(binding.output)
        )
        if found is not None:
            node.artifacts[name] = found
    values: dict[str, Any] = {}
    for name, parameter in spec.parameters.items():
        if not isinstance(parameter, Constant):
            value = _value(graph, scope, parameter, place=f"task {node.path}: input {name}")
            if value is not MISSING:
                values[name] = value
    # Constants come last: placeholders in them may name the other inputs.
    context = PlaceholderContext(executor_input=_inputs_only(values, node.artifacts), job=job_names(graph, node))
    for name, parameter in spec.parameters.items():
        if isinstance(parameter, Constant):
            values[name] = _constant(parameter, context, place=f"task {node.path}: input {name}")
    for name, wanted in inputs.parameters.items():
        if name not in values and wanted.default is not MISSING:
            values[name] = wanted.default
    node.parameters = values
    _demand_all(node)


def _value(graph: RunGraph, scope: Scope, binding: ParameterBinding, *, place: str) -> Any:
    if isinstance(binding, FromInput):
        value = scope.parameters.get(binding.name, MISSING)
    elif isinstance(binding, FromTask):
        value = scope.nodes[binding.task].out_parameters.get(binding.output, MISSING)
    elif isinstance(binding, FinalStatus):
        value = final_status(graph, scope.nodes[binding.task])
    else:
        raise AssertionError("constants are bound elsewhere")
    if value is MISSING or not binding.selector:
        return value
    return select_value(binding.selector, value, place=place)


def _constant(binding: Constant, context: PlaceholderContext, *, place: str) -> Any:
    value = binding.value
    if "{{$" in json.dumps(value, ensure_ascii=False):
        value = resolve_value(value, context)
    return select_value(binding.selector, value, place=place) if binding.selector else value


def _demand_all(node: Node) -> None:
    # An iterator gives its item later.
    later = node.spec.iterator.item_input if node.spec.iterator is not None and node.iteration is None else None
    for name, wanted in node.component.inputs.parameters.items():
        if name not in node.parameters and wanted.required and name != later:
            raise InvalidInput(_missing("parameter", name, node.spec.parameters.get(name)), place=f"task {node.path}")
    for name, spec in node.component.inputs.artifacts.items():
        if name not in node.artifacts and not spec.optional and name != later:
            raise InvalidInput(_missing("artifact", name, node.spec.artifacts.get(name)), place=f"task {node.path}")


def _missing(what: str, name: str, binding: object) -> str:
    if isinstance(binding, FromTask):
        return f"its input {what} {name!r} was not given by the task {binding.task!r} (output {binding.output!r})"
    return f"its input {what} {name!r} has no value"


def final_status(graph: RunGraph, node: Node) -> dict[str, Any]:
    """KFP's PipelineTaskFinalStatus of a task that has ended."""
    status: dict[str, Any] = {
        "state": node.state.value,
        "pipelineJobResourceName": graph.name,
        "pipelineTaskName": node.spec.name,
    }
    message = ""
    if node.state is State.FAILED and node.failure is not None:
        message = node.failure.message
    status["error"] = {"code": 1 if message else 0, "message": message}
    return status


def job_names(graph: RunGraph, node: Node) -> dict[str, str]:
    """What the job placeholders of KFP stand for."""
    created = graph.created_at.isoformat()
    return {
        "pipeline_job_name": graph.name,
        "pipeline_job_uuid": graph.id,
        "pipeline_job_resource_name": graph.name,
        "pipeline_task_name": node.spec.name,
        "pipeline_task_uuid": node.id,
        "pipeline_root": "",
        "pipeline_job_create_time_utc": created,
        "pipeline_job_schedule_time_utc": created,
    }


def _inputs_only(values: Mapping[str, Any], artifacts: Mapping[str, list[Artifact]]) -> dict[str, Any]:
    listed = {name: {"artifacts": [artifact_json(one, one.uri) for one in found]} for name, found in artifacts.items()}
    return {"inputs": {"parameterValues": dict(values), "artifacts": listed}, "outputs": {}}


def artifact_json(one: Artifact, uri: str) -> dict[str, Any]:
    """An artifact as KFP's ExecutorInput has it."""
    return {
        "name": one.name,
        "type": {"schemaTitle": one.type, "schemaVersion": one.type_version},
        "uri": uri,
        "metadata": one.metadata,
    }


def loop_items(node: Node) -> list[Any]:
    """The items of a loop whose inputs are bound: values, or artifacts; `InvalidInput` when it is no list."""
    iterator = node.spec.iterator
    assert iterator is not None
    if iterator.literal is not None:
        return list(iterator.literal)
    name = iterator.items_input or ""
    if iterator.of_artifacts:
        return list(node.artifacts.get(name, ()))
    value = node.parameters.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as problem:
            raise InvalidInput(f"{name!r} is text that is no JSON list", place=f"loop {node.path}") from problem
    if not isinstance(value, list):
        raise InvalidInput(f"{name!r} is no list: {str(value)[:80]}", place=f"loop {node.path}")
    return value

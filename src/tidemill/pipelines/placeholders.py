"""Resolve KFP's placeholders in commands, arguments, env and constants, each string in one pass."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.pipelines.model import ParameterType
from tidemill.pipelines.schema import nearest

PLACEHOLDER = re.compile(r"\{\{\$((?:\.[A-Za-z_]\w*|\['[^']*'\]|\[\"[^\"]*\"\]|\[\d{1,3}\])*)\}\}")
STEP = re.compile(r"\.([A-Za-z_]\w*)|\['([^']*)'\]|\[\"([^\"]*)\"\]|\[(\d+)\]")
MAX_ESCAPES = 8
JOB_NAMES = frozenset(
    {
        "pipeline_job_name",
        "pipeline_job_uuid",
        "pipeline_job_resource_name",
        "pipeline_job_create_time_utc",
        "pipeline_job_schedule_time_utc",
        "pipeline_task_name",
        "pipeline_task_uuid",
        "pipeline_root",
        "workspace_path",
    }
)


def _same(uri: str) -> str:
    return uri


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceholderContext:
    """What placeholders of one task resolve to.

    `executor_input` is KFP's ExecutorInput JSON (`inputs.parameterValues`, `inputs.artifacts`, `outputs...`).
    `job` holds `pipeline_job_name`, `pipeline_job_uuid`, `pipeline_job_resource_name`, `pipeline_task_name`,
    `pipeline_task_uuid`, `pipeline_root`, `pipeline_job_create_time_utc`, `pipeline_job_schedule_time_utc`,
    `workspace_path`. `local_path` gives the local path of an artifact's URI (`.path`).
    """

    executor_input: Mapping[str, Any]
    job: Mapping[str, str] = field(default_factory=dict)
    local_path: Callable[[str], str] = _same


def resolve_placeholders(strings: Sequence[str], context: PlaceholderContext) -> list[str]:
    """The command line with every placeholder replaced; IfPresent may add or drop elements.

    A value that itself looks like a placeholder is not resolved again. Text of the same shape that names nothing of
    KFP's stays as it is; an input or output that is not there raises `InvalidInput`.
    """
    line: list[str] = []
    for text in strings:
        structure = _structure(text)
        line.extend([_text(text, context)] if structure is None else _elements(structure, context))
    return line


def resolve_env(env: Mapping[str, str], context: PlaceholderContext) -> dict[str, str]:
    """The same for environment variables: names stay, values are resolved."""
    return {name: _text(value, context) for name, value in env.items()}


def resolve_value(value: Any, context: PlaceholderContext, *, kind: ParameterType = ParameterType.STRING) -> Any:
    """The same for the strings in a JSON constant, keys too.

    A text stays a text (kfp compiles f-strings to such constants), unless `kind` is another type: then a string that is
    one placeholder of a parameter becomes the parameter's value. Inside lists and objects it always does.
    """
    if isinstance(value, str):
        return _text(value, context) if kind is ParameterType.STRING else _item(value, context)
    return _item(value, context)


def _item(value: Any, context: PlaceholderContext) -> Any:
    if isinstance(value, str):
        whole = PLACEHOLDER.fullmatch(value)
        steps = _steps(whole[1]) if whole else []
        if len(steps) == 3 and steps[:2] == ["inputs", "parameters"]:
            return _parameter_value(str(steps[2]), context)
        return _text(value, context)
    if isinstance(value, list):
        return [_item(item, context) for item in value]
    if isinstance(value, dict):
        return {_text(key, context): _item(item, context) for key, item in value.items()}
    return value


def _structure(text: str) -> dict[str, Any] | None:
    """The Concat or IfPresent that a string is the JSON of, as kfp compiles them."""
    if not text.startswith(('{"Concat":', '{"IfPresent":')):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if _is_structure(value) else None


def _is_structure(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    body = value.get("IfPresent")
    if isinstance(body, dict):
        return isinstance(body.get("InputName"), str) and "Then" in body
    return isinstance(value.get("Concat"), list)


def _elements(item: Any, context: PlaceholderContext) -> list[str]:
    """The elements that an item of a structure stands for: none, one, or several for a list."""
    if isinstance(item, str):
        return [_text(item, context)]
    if isinstance(item, list):
        return [element for each in item for element in _elements(each, context)]
    if not _is_structure(item):
        raise InvalidInput(f"a command holds a structure that is no Concat and no IfPresent: {json.dumps(item)[:200]}")
    if "Concat" in item:
        return ["".join(element for each in item["Concat"] for element in _elements(each, context))]
    body = item["IfPresent"]
    branch = body["Then"] if _is_present(body["InputName"], context) else body.get("Else")
    return [] if branch is None else _elements(branch, context)


def _is_present(name: str, context: PlaceholderContext) -> bool:
    inputs = context.executor_input.get("inputs", {})
    if inputs.get("parameterValues", {}).get(name) is not None:
        return True
    return bool(inputs.get("artifacts", {}).get(name, {}).get("artifacts"))


def _text(text: str, context: PlaceholderContext) -> str:
    if "{{$" not in text:
        return text
    return PLACEHOLDER.sub(lambda match: _replacement(match, context), text)


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else name or single or double for name, single, double, index in STEP.findall(path)]


def _replacement(match: re.Match[str], context: PlaceholderContext) -> str:
    steps = _steps(match[1])
    escapes = 0
    if len(steps) >= 2 and steps[-2] == "json_escape" and isinstance(steps[-1], int):
        escapes = min(steps[-1], MAX_ESCAPES)
        steps = steps[:-2]
    text = _resolve(steps, context)
    if text is None:
        return match[0]
    for _ in range(escapes):
        text = json.dumps(text)[1:-1]
    return text


def _resolve(steps: list[str | int], context: PlaceholderContext) -> str | None:
    """The text of a placeholder's path; None when it is none of KFP's."""
    outputs = context.executor_input.get("outputs", {})
    match steps:
        case []:
            return json.dumps(context.executor_input)
        case [str(name)] if name in JOB_NAMES:
            return _job(name, context)
        case ["outputMetadataUri"] | ["outputs", "output_file"]:
            return str(outputs.get("outputFile", ""))
        case ["inputs", "parameters", str(name)]:
            return value_text(_parameter_value(name, context))
        case ["inputs", "artifacts", str(name), *rest]:
            inputs = context.executor_input.get("inputs", {})
            return _artifact(_artifacts_of(inputs, name, "input"), rest, context)
        case ["outputs", "parameters", str(name), "output_file"]:
            known = outputs.get("parameters", {})
            if name not in known:
                raise InvalidInput(f"the step has no output parameter {name!r}", remedy=nearest(name, known))
            return str(known[name]["outputFile"])
        case ["outputs", "artifacts", str(name), *rest]:
            return _artifact(_artifacts_of(outputs, name, "output"), rest, context)
    return None


def _job(name: str, context: PlaceholderContext) -> str:
    if name not in context.job:
        remedy = (
            "give the pipeline a workspace: dsl.PipelineConfig(workspace=...)" if name == "workspace_path" else None
        )
        raise InvalidInput(f"there is no {name} here", remedy=remedy)
    return context.job[name]


def _parameter_value(name: str, context: PlaceholderContext) -> Any:
    values = context.executor_input.get("inputs", {}).get("parameterValues", {})
    if name not in values:
        raise InvalidInput(
            f"the input parameter {name!r} has no value, and a placeholder asks for it",
            remedy="give it a value, or wrap the placeholder in dsl.IfPresentPlaceholder",
        )
    return values[name]


def _artifacts_of(side: Mapping[str, Any], name: str, kind: str) -> list[Mapping[str, Any]]:
    known = side.get("artifacts", {})
    if name not in known:
        raise InvalidInput(f"the step has no {kind} artifact {name!r}", remedy=nearest(name, known))
    found: list[Mapping[str, Any]] = known[name].get("artifacts", [])
    return found


def _artifact(artifacts: list[Mapping[str, Any]], rest: list[str | int], context: PlaceholderContext) -> str | None:
    if not rest:
        return json.dumps(artifacts)
    artifact = artifacts[0] if artifacts else {}
    uri = str(artifact.get("uri", ""))
    match rest:
        case ["uri"]:
            return uri
        case ["path"]:
            return _path(artifact, uri, context)
        case ["value"]:
            return _content(Path(_path(artifact, uri, context)))
        case ["metadata"]:
            return json.dumps(artifact.get("metadata", {}))
        case ["metadata", str(key)]:
            metadata = artifact.get("metadata", {})
            if key not in metadata:
                raise InvalidInput(f"the artifact {uri} has no metadata {key!r}", remedy=nearest(key, metadata))
            return value_text(metadata[key])
    return None


def _path(artifact: Mapping[str, Any], uri: str, context: PlaceholderContext) -> str:
    return str(artifact.get("customPath") or context.local_path(uri))


def _content(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(f"cannot be read as text: {problem}", place=str(path)) from problem


def value_text(value: Any) -> str:
    """A parameter's value as it stands in a command line: text as it is, 3.0 as `3`, lists and objects as JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float) and math.isfinite(value):
        # As the backend's launcher writes doubles: all digits, no exponent.
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return json.dumps(value)

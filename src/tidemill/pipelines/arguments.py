"""Check the parameters a run is given against the pipeline's interface."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tidemill.base.canonical import MAX_INTEGER_DIGITS, parse_json
from tidemill.base.errors import InvalidInput
from tidemill.pipelines.interfaces import KINDS, fits
from tidemill.pipelines.model import MISSING, ParameterSpec, ParameterType, Pipeline
from tidemill.pipelines.schema import kind_of, nearest


def check_arguments(pipeline: Pipeline, parameters: Mapping[str, Any], *, place: str = "parameters") -> dict[str, Any]:
    """The values of all root parameters: those given, then defaults; an optional one without default is left out.

    An unknown name (with the nearest known one), a missing required one or a wrong type raises `InvalidInput`. A whole
    number is taken for a NUMBER_DOUBLE, and 3.0 for a NUMBER_INTEGER; nothing else is converted. None for an optional
    parameter counts as not given.
    """
    known = pipeline.root.inputs.parameters
    for name in parameters:
        if name not in known:
            remedy = nearest(name, known) or "the pipeline takes no parameters"
            raise InvalidInput(f"{pipeline.name} has no parameter {name!r}", place=place, remedy=remedy)
    values: dict[str, Any] = {}
    for name, spec in known.items():
        given = parameters.get(name, MISSING)
        if given is not MISSING and not (given is None and not spec.required):
            values[name] = check_value(given, spec, place=f"{place}.{name}")
        elif spec.default is not MISSING:
            values[name] = spec.default
        elif spec.required:
            raise InvalidInput(
                f"{pipeline.name} needs the parameter {name!r} ({KINDS[spec.type]})",
                place=place,
                remedy=f"give it with -p {name}=VALUE",
            )
    return values


def check_value(value: Any, spec: ParameterSpec, *, place: str) -> Any:
    """The value as the parameter's type has it, or `InvalidInput` at `place`."""
    if spec.type is ParameterType.NUMBER_INTEGER and isinstance(value, float) and value.is_integer():
        value = int(value)
    if not fits(value, spec.type):
        raise InvalidInput(f"should be {KINDS[spec.type]}, and is {kind_of(value)}", place=place, remedy="give one")
    if spec.type is ParameterType.NUMBER_DOUBLE:
        value = float(value)
    if spec.literals and value not in spec.literals:
        allowed = ", ".join(map(repr, spec.literals))
        raise InvalidInput(f"{value!r} is not allowed", place=place, remedy=f"one of {allowed}")
    return value


def parse_arguments(pipeline: Pipeline, texts: Mapping[str, str], *, place: str = "parameters") -> dict[str, Any]:
    """Values from text, as a command line gives them: `3`, `0.5`, `nan`, `true`, JSON for lists and objects.

    Unknown names stay as they are, for `check_arguments` to refuse; text that is not of the type raises `InvalidInput`.
    """
    known = pipeline.root.inputs.parameters
    return {
        name: _from_text(text, known[name], f"{place}.{name}") if name in known else text
        for name, text in texts.items()
    }


def _from_text(text: str, spec: ParameterSpec, place: str) -> Any:
    kind = spec.type
    if kind is ParameterType.STRING:
        return text
    if kind is ParameterType.BOOLEAN:
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
    elif kind is ParameterType.NUMBER_INTEGER:
        if text.strip().lstrip("+-").isdecimal() and len(text) <= MAX_INTEGER_DIGITS:
            return int(text)
    elif kind is ParameterType.NUMBER_DOUBLE:
        try:
            number = float(text)
        except ValueError:
            number = None
        if number is not None and (math.isfinite(number) or not text.strip("+-").isdecimal()):
            return number
    else:
        return parse_json(text, place=place)
    raise InvalidInput(f"should be {KINDS[kind]}, and is the text {text[:40]!r}", place=place, remedy="give one")

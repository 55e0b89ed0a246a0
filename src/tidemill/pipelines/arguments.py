"""Check the parameters a run is given against the pipeline's interface."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.pipelines.model import ParameterSpec, Pipeline


def check_arguments(pipeline: Pipeline, parameters: Mapping[str, Any], *, place: str = "parameters") -> dict[str, Any]:
    """The values of all root parameters: those given, then defaults; an optional one without default is left out.

    An unknown name (with the nearest known one), a missing required one or a wrong type raises `InvalidInput`. A whole
    number is taken for a NUMBER_DOUBLE, and 3.0 for a NUMBER_INTEGER; nothing else is converted.
    """
    raise NotImplementedError


def check_value(value: Any, spec: ParameterSpec, *, place: str) -> Any:
    """The value as the parameter's type has it, or `InvalidInput` at `place`."""
    raise NotImplementedError

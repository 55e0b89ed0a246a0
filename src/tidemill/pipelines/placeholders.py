"""Resolve KFP's placeholders in commands, arguments, env and constants, each string in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


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

    A value that itself looks like a placeholder is not resolved again. An unknown name raises `InvalidInput`.
    """
    raise NotImplementedError


def resolve_env(env: Mapping[str, str], context: PlaceholderContext) -> dict[str, str]:
    """The same for environment variables: names stay, values are resolved."""
    raise NotImplementedError


def resolve_value(value: Any, context: PlaceholderContext) -> Any:
    """The same for the strings in a JSON constant (keys too); a string that is one placeholder keeps the value's type
    as text, as KFP does.
    """
    raise NotImplementedError

"""Seals of runs and tasks: whoever writes to the database cannot make a run say what it did not do.

A row is sealed with the key of the home when the engine writes what will not change any more: a run when it is
submitted and when it ends, a task when it ends. The engine goes on from sealed rows only, and so does whoever takes
a run's outputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from tidemill.artifacts import Artifact
from tidemill.base.errors import Forbidden
from tidemill.base.home import Home
from tidemill.base.signing import PublicKey, SigningKey, is_sealed, public_key, seal

_RUN_FIELDS = (
    "id",
    "namespace_id",
    "name",
    "experiment",
    "pipeline_name",
    "spec_digest",
    "parameters",
    "artifacts",
    "caching",
    "origin",
    "created_by",
)
_TASK_FIELDS = (
    "id",
    "namespace_id",
    "run_id",
    "path",
    "name",
    "kind",
    "state",
    "iteration",
    "cached",
    "cache_key",
    "lock_digest",
    "parameters",
    "input_artifacts",
    "output_parameters",
    "output_artifacts",
)
Row = Mapping[str, Any] | RowMapping


def seal_run(key: SigningKey, row: Row) -> str:
    """The seal of a run's row, over all that is fixed when it is submitted."""
    return seal(key, _run_content(row))


def seal_task(key: SigningKey, row: Row, outputs: Mapping[str, Sequence[Artifact]]) -> str:
    """The seal of the row of a task that has ended, and of its output artifacts."""
    return seal(key, _task_content(row, outputs))


def seal_end(key: SigningKey, namespace_id: str, run_id: str, state: str, tasks: Mapping[str, str]) -> str:
    """The seal of how a run ended, with the state of each task by its id, so that none can be taken away."""
    return seal(key, _end_content(namespace_id, run_id, state, tasks))


def prove_end(key: PublicKey, row: Row, tasks: Sequence[Row]) -> None:
    """Raise `Forbidden` unless a run ended in the state of its row, with these tasks in their states."""
    states = {task["id"]: task["state"] for task in tasks}
    content = _end_content(row["namespace_id"], row["id"], row["state"], states)
    if not is_sealed(key, content, row["end_seal"]):
        raise Forbidden("the record of how the run ended was changed", place=f"run {row['id']}", remedy=_RESTORE)


def prove_run(key: PublicKey, row: Row) -> None:
    """Raise `Forbidden` unless a run's row is as it was when the run was submitted."""
    if not is_sealed(key, _run_content(row), row["seal"]):
        raise Forbidden("the record of the run was changed", place=f"run {row['id']}", remedy=_RESTORE)


def prove_task(key: PublicKey, row: Row, known: Mapping[str, Artifact]) -> None:
    """Raise `Forbidden` unless a task's row, and its output artifacts among `known`, are as they were at its end."""
    place = f"run {row['run_id']}, task {row['path']}"
    try:
        outputs = {name: [known[one] for one in ids] for name, ids in row["output_artifacts"].items()}
    except KeyError as problem:
        raise Forbidden("an output of the task is gone", place=place, remedy=_RESTORE) from problem
    if not is_sealed(key, _task_content(row, outputs), row["seal"]):
        raise Forbidden("the record of the task was changed", place=place, remedy=_RESTORE)


def sealing_key(home: Home) -> PublicKey:
    """What checks the seals of a home; `Forbidden` where nothing was sealed."""
    return public_key(home)


def _run_content(row: Row) -> bytes:
    return _content("run", {name: row[name] for name in _RUN_FIELDS})


def _task_content(row: Row, outputs: Mapping[str, Sequence[Artifact]]) -> bytes:
    made = {name: [_artifact(one) for one in found] for name, found in outputs.items()}
    return _content("task", {**{name: row[name] for name in _TASK_FIELDS}, "made": made})


def _end_content(namespace_id: str, run_id: str, state: str, tasks: Mapping[str, str]) -> bytes:
    return _content("end", {"namespace_id": namespace_id, "id": run_id, "state": state, "tasks": dict(tasks)})


def _artifact(one: Artifact) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": one.type,
        "digest": one.digest,
        "kind": None if one.content is None else one.content.kind.value,
        "uri": one.uri,
        "metadata": one.metadata,
        "run_id": one.run_id,
        "task_id": one.task_id,
        "attempt_id": one.attempt_id,
    }


def _content(kind: str, fields: Mapping[str, Any]) -> bytes:
    """Not canonical JSON: parameters may be NaN or infinite."""
    return json.dumps({"schema_version": 1, "sealed": kind, **fields}, sort_keys=True, separators=(",", ":")).encode()


_RESTORE = "somebody changed the database: restore it from a backup, or run the pipeline again"

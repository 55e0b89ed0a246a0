"""Finding runs, tasks, attempts and metrics."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tidemill.access.model import Actor, Permission
from tidemill.artifacts import Page
from tidemill.base import paging
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.model import Attempt, Metric, Run, State, Task

FILTERS = frozenset({"state", "name", "experiment", "pipeline_name", "spec_digest"})
MAX_PAGE_SIZE = 1_000


def get_run(site: Site, actor: Actor, run_id: str) -> Run:
    """The run of that id in the actor's namespace; `NotFound`."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        row = rows.run_row(connection, actor.namespace_id, run_id)
    if row is None:
        raise NotFound(f"there is no run {run_id[:64]!r}", remedy="tidemill runs list")
    return rows.run_of(row)


def list_runs(
    site: Site,
    actor: Actor,
    *,
    filters: dict[str, str] | None = None,
    page_size: int = 100,
    page_token: str | None = None,
) -> Page[Run]:
    """The namespace's runs, newest first; `filters` by state, name, experiment, pipeline_name or spec_digest."""
    actor.demand(Permission.READ)
    wanted = filters or {}
    if unknown := set(wanted) - FILTERS:
        raise InvalidInput(f"cannot filter by {', '.join(sorted(unknown))}", remedy=f"use {', '.join(sorted(FILTERS))}")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise InvalidInput(f"page_size is from 1 to {MAX_PAGE_SIZE}")
    after = paging.key_of(page_token)
    with site.database.read() as connection:
        found = rows.runs_page(connection, actor.namespace_id, dict(wanted), after=after, limit=page_size + 1)
    items = found[:page_size]
    return Page(items=items, next_page_token=paging.page_token(items[-1].id) if len(found) > page_size else None)


def count_runs(connection: Connection, namespace_id: str) -> dict[State, int]:
    """How many runs of a namespace are in each state, in the caller's transaction; 0 for a state that none is in."""
    return dict.fromkeys(State, 0) | rows.runs_by_state(connection, namespace_id)


def list_tasks(site: Site, actor: Actor, run_id: str) -> list[Task]:
    """The tasks of a run, parents before their children; `NotFound`."""
    get_run(site, actor, run_id)
    with site.database.read() as connection:
        return [rows.task_of(row) for row in rows.task_mappings(connection, actor.namespace_id, run_id)]


def list_attempts(site: Site, actor: Actor, run_id: str) -> list[Attempt]:
    """The attempts of all tasks of a run, oldest first; `NotFound`."""
    get_run(site, actor, run_id)
    with site.database.read() as connection:
        return rows.attempts_where(connection, actor.namespace_id, column="run_id", value=run_id)


def list_metrics(site: Site, actor: Actor, run_id: str) -> list[Metric]:
    """The metrics of a run, those of running attempts marked provisional; `NotFound`."""
    get_run(site, actor, run_id)
    with site.database.read() as connection:
        return rows.metrics_of(connection, actor.namespace_id, run_id)


def last_metrics(site: Site, actor: Actor, run_ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """The last value of each metric of these runs, by run and name; of tasks that report alike, the later one's."""
    actor.demand(Permission.READ)
    found: dict[str, dict[str, float]] = {}
    with site.database.read() as connection:
        for metric in rows.metrics_of_runs(connection, actor.namespace_id, run_ids):
            found.setdefault(metric.run_id, {})[metric.name] = metric.value
    return found

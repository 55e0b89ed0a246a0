"""The verb cancel_run: ask a run to stop."""

from __future__ import annotations

from sqlalchemy import update

from tidemill.access.model import Actor, Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.site import Site
from tidemill.engine import rows
from tidemill.engine.find import get_run
from tidemill.engine.model import Run, State
from tidemill.engine.store import run_rows


def cancel_run(site: Site, actor: Actor, run_id: str) -> Run:
    """Make the run CANCELING; its worker ends the steps (TERM, grace, KILL of all they started) and makes it CANCELED.

    A run that is CANCELING already stays so. Raises `NotFound`, `Conflict` when it has ended, `Forbidden`.
    """
    actor.demand(Permission.WRITE)
    if was_done("run.canceling", run_id):
        return get_run(site, actor, run_id)
    with site.database.write() as connection:
        row = rows.run_row(connection, actor.namespace_id, run_id)
        if row is None:
            raise NotFound(f"there is no run {run_id[:64]!r}", remedy="tidemill runs list")
        state = State(row["state"])
        if state.is_final:
            raise Conflict(f"has ended already: it is {state.value}", place=f"run {run_id}")
        if state is not State.CANCELING:
            connection.execute(
                update(run_rows)
                .where(run_rows.c.namespace_id == actor.namespace_id, run_rows.c.id == run_id)
                .values(state=State.CANCELING.value, generation=run_rows.c.generation + 1)
            )
            append_event(
                connection,
                site.clock,
                namespace_id=actor.namespace_id,
                kind="run.canceling",
                subject_id=run_id,
                data={},
                created_by=actor.person,
            )
    return get_run(site, actor, run_id)

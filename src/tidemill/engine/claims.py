"""Claims: which worker holds a run; a fencing token in every write tells a former holder that it is one no more.

Leases do not look at the time of day: a worker counts its beats up, and another takes its runs when the count has not
moved for the length of a lease on the other's own monotonic clock, or at once when its process is gone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping, insert, select, update

from tidemill.base.errors import Conflict
from tidemill.base.leases import SITE_WIDE
from tidemill.base.process import is_alive, start_ticks, this_host
from tidemill.base.site import Site
from tidemill.engine.model import State
from tidemill.engine.store import run_rows, worker_rows

_OPEN = (State.PENDING.value, State.RUNNING.value, State.CANCELING.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The guards of concurrent workers; switched off in tests only, to show that a test sees it."""

    fencing: bool = True
    claims: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker holds a run; the token rises with each new holder."""

    run_id: str
    namespace_id: str
    worker_id: str
    fencing_token: int


class Fenced(Conflict):
    """Another worker holds the run by now: this write is refused."""

    code = "fenced"


def demand_claim(connection: Connection, claim: Claim, guards: Guards) -> None:
    """Raise `Fenced` in the caller's transaction unless the claim is the newest; the run's row is locked from here."""
    current = connection.execute(
        select(run_rows.c.fencing_token)
        .where(run_rows.c.namespace_id == claim.namespace_id, run_rows.c.id == claim.run_id)
        .with_for_update()
    ).scalar_one_or_none()
    if guards.fencing and current != claim.fencing_token:
        raise Fenced(
            f"worker {claim.worker_id} no longer holds this run (token {claim.fencing_token}, now {current})",
            place=f"run {claim.run_id}",
        )


def register_worker(site: Site, worker_id: str) -> None:
    """Add this process as a worker."""
    with site.database.write() as connection:
        connection.execute(
            insert(worker_rows).values(
                id=worker_id,
                namespace_id=SITE_WIDE,
                host=this_host(),
                pid=os.getpid(),
                start_ticks=start_ticks(os.getpid()),
                beat=0,
                created_by=f"pid-{os.getpid()}",
                created_at=site.clock.now(),
            )
        )


def beat(site: Site, worker_id: str) -> None:
    """Say that the worker lives."""
    with site.database.write() as connection:
        connection.execute(update(worker_rows).where(worker_rows.c.id == worker_id).values(beat=worker_rows.c.beat + 1))


def stop_worker(site: Site, worker_id: str) -> None:
    """Say that the worker has ended in good order, and give up its runs."""
    with site.database.write() as connection:
        connection.execute(update(worker_rows).where(worker_rows.c.id == worker_id).values(stopped_at=site.clock.now()))
        connection.execute(update(run_rows).where(run_rows.c.claimed_by == worker_id).values(claimed_by=None))


class Watch:
    """What one worker knows about the beats of the others."""

    def __init__(self, site: Site, lease_seconds: float) -> None:
        self._site = site
        self._lease_seconds = lease_seconds
        self._host = this_host()
        self._seen: dict[str, tuple[int, float]] = {}

    def is_gone(self, worker: RowMapping | None) -> bool:
        """True when the worker has ended, its process is gone, or it has not beaten for a lease."""
        if worker is None or worker["stopped_at"] is not None:
            return True
        if worker["host"] == self._host and not is_alive(worker["pid"], worker["start_ticks"]):
            return True
        now = self._site.clock.monotonic_seconds()
        beat_then, since = self._seen.get(worker["id"], (-1, now))
        if worker["beat"] != beat_then:
            self._seen[worker["id"]] = (worker["beat"], now)
            return False
        return now - since > self._lease_seconds

    def shares_our_machine(self, worker: RowMapping | None) -> bool:
        """True when the worker's processes could be ended from here."""
        return worker is not None and worker["host"] == self._host


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A run that is open and not driven by the asking worker, with the worker that holds it."""

    run_id: str
    namespace_id: str
    fencing_token: int
    holder: str | None
    worker: RowMapping | None


def open_runs(connection: Connection, *, run_id: str | None, but_not: Sequence[str], limit: int) -> list[Candidate]:
    """The open runs, oldest first; of all namespaces, since workers serve the site."""
    query = (
        select(run_rows.c.id, run_rows.c.namespace_id, run_rows.c.fencing_token, run_rows.c.claimed_by)
        .where(run_rows.c.state.in_(_OPEN))
        .order_by(run_rows.c.id)
        .limit(limit)
    )
    if run_id is not None:
        query = query.where(run_rows.c.id == run_id)
    if but_not:
        query = query.where(run_rows.c.id.not_in(but_not))
    found = connection.execute(query).mappings().all()
    holders = {row["claimed_by"] for row in found if row["claimed_by"] is not None}
    workers = {
        row["id"]: row
        for row in connection.execute(select(worker_rows).where(worker_rows.c.id.in_(holders))).mappings()
    }
    return [
        Candidate(
            run_id=row["id"],
            namespace_id=row["namespace_id"],
            fencing_token=row["fencing_token"],
            holder=row["claimed_by"],
            worker=workers.get(row["claimed_by"]),
        )
        for row in found
    ]


def take_claim(site: Site, candidate: Candidate, worker_id: str) -> Claim | None:
    """Take a run that was seen as free; None when somebody else was first."""
    token = candidate.fencing_token + 1
    holder = run_rows.c.claimed_by
    unchanged = holder.is_(None) if candidate.holder is None else holder == candidate.holder
    with site.database.write() as connection:
        changed = connection.execute(
            update(run_rows)
            .where(
                run_rows.c.namespace_id == candidate.namespace_id,
                run_rows.c.id == candidate.run_id,
                run_rows.c.fencing_token == candidate.fencing_token,
                unchanged,
                run_rows.c.state.in_(_OPEN),
            )
            .values(claimed_by=worker_id, fencing_token=token)
        )
    if changed.rowcount != 1:
        return None
    return Claim(run_id=candidate.run_id, namespace_id=candidate.namespace_id, worker_id=worker_id, fencing_token=token)

"""The round advance_windows: compute what is new in a process of its own, keep it, and judge the alerts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tidemill.base.apart import run_apart
from tidemill.base.errors import Unavailable
from tidemill.base.home import Home
from tidemill.base.site import Site
from tidemill.monitoring.alerts import judge_alerts, tend_alerts
from tidemill.monitoring.plan import Planned, debt_after, planned
from tidemill.monitoring.truth import store as truth_store
from tidemill.monitoring.windows import store
from tidemill.monitoring.windows.job import Computed, Job, Outcome, computed_from_json
from tidemill.monitoring.windows.model import Progress, Window
from tidemill.serving.find import every_service
from tidemill.serving.source import ModelSource, RegistrySource

MOST_SERVICES = 20
MOST_KEPT = 5_000
"""Windows of a service that are kept; older ones go."""

Compute = Callable[[Home, Sequence[Job]], list[Outcome]]
log = logging.getLogger(__name__)


def advance_windows(site: Site, *, source: ModelSource | None = None, compute: Compute | None = None) -> int:
    """Bring the windows of every service up to date, some services at a time; how many were computed.

    A computation that fails leaves the windows as they were, is told with the service, and is tried again later.
    """
    source = source or RegistrySource(site)
    services = every_service(site)
    plans: list[Planned] = []
    for service in services:
        plan = planned(site, source, service) if len(plans) < MOST_SERVICES else None
        if plan is not None:
            plans.append(plan)
    # one that failed is tried by itself, so that it holds up no other
    batches = [[plan for plan in plans if not plan.has_failed], *([plan] for plan in plans if plan.has_failed)]
    done = sum(_advance(site, batch, compute or compute_apart) for batch in batches if batch)
    tend_alerts(site, services)
    return done


def _advance(site: Site, plans: Sequence[Planned], compute: Compute) -> int:
    try:
        outcomes = {each.service_id: each for each in compute(site.home, [plan.job for plan in plans])}
    except Unavailable as problem:
        for plan in plans:
            _keep_failure(site, plan, problem.message)
        return 0
    for plan in plans:
        with site.database.write() as connection:
            _keep(connection, site, plan, outcomes[plan.service.id])
            judge_alerts(connection, site, plan.service)
    return len(plans)


def compute_apart(home: Home, jobs: Sequence[Job]) -> list[Outcome]:
    """Compute in a process of its own; `Unavailable` when it fails."""
    asked = {"home": str(home.path), "jobs": [job.to_json() for job in jobs]}
    told = run_apart("tidemill.monitoring.windows.compute", asked, what="the windows could not be computed")
    return [_outcome(each) for each in told]


def _outcome(told: Mapping[str, Any]) -> Outcome:
    windows = tuple(computed_from_json(each) for each in told["windows"])
    return Outcome(
        service_id=told["service_id"],
        windows=windows,
        is_whole=told["is_whole"],
        problem=told["problem"],
        seconds=told["seconds"],
    )


def _keep(connection: Connection, site: Site, plan: Planned, outcome: Outcome) -> None:
    """Write windows, truths that are computed in, and how far this came, in one transaction."""
    service = plan.service
    stale = _stale(connection, plan, outcome.windows)
    store.drop_windows(connection, service.namespace_id, stale)
    for each in outcome.windows:
        store.put_window(connection, _window(site, plan, each))
    applied = plan.pending
    if not outcome.is_whole:
        reached = max(each.first_id for each in outcome.windows)
        applied = [each for each in plan.pending if each[0] < reached]
    truth_store.mark_applied(connection, service.namespace_id, service.id, applied)
    before = store.progress_of(connection, service.namespace_id, service.id)
    now = site.clock.now()
    progress = Progress(
        hours=plan.hours if outcome.is_whole else before.hours if before is not None else {},
        look=plan.look if outcome.is_whole else "",
        computed_at=now,
        seconds=debt_after(before, now, outcome.seconds),
        problem=outcome.problem,
    )
    store.put_progress(connection, service.namespace_id, service.id, progress)
    store.drop_beyond(connection, service.namespace_id, service.id, keep=MOST_KEPT)


def _stale(connection: Connection, plan: Planned, windows: Sequence[Computed]) -> list[str]:
    """Open windows whose records another window has now: it was cut otherwise."""
    service = plan.service
    return [
        old.id
        for old in store.open_windows(connection, service.namespace_id, service.id)
        for new in windows
        if old.revision_id == new.revision_id and old.start != new.start and new.first_id <= old.first_id <= new.last_id
    ]


def _window(site: Site, plan: Planned, found: Computed) -> Window:
    service = plan.service
    return Window(
        id=site.ids.new(),
        namespace_id=service.namespace_id,
        service_id=service.id,
        service=service.name,
        environment=service.spec.environment,
        **{name: getattr(found, name) for name in Computed.__slots__},
        computed_at=site.clock.now(),
    )


def _keep_failure(site: Site, plan: Planned, problem: str) -> None:
    log.warning("the windows of %s: %s", plan.service.name, problem)
    service, now = plan.service, site.clock.now()
    with site.database.write() as connection:
        before = store.progress_of(connection, service.namespace_id, service.id)
        known = before or Progress(hours={}, look="", computed_at=now, seconds=0.0, problem="")
        failed = replace(known, computed_at=now, seconds=debt_after(before, now, 0.0), problem=problem)
        store.put_progress(connection, service.namespace_id, service.id, failed)

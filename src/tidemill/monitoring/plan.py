"""What of a service is to be computed now: the log that is new, the truths that came, the windows that end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from tidemill.base.site import Site
from tidemill.monitoring.rules import Rules, rules_of
from tidemill.monitoring.truth import store as truth_store
from tidemill.monitoring.windows import store
from tidemill.monitoring.windows.answering import answers
from tidemill.monitoring.windows.cut import SETTLE
from tidemill.monitoring.windows.inspect import Reference
from tidemill.monitoring.windows.job import Job, Known
from tidemill.monitoring.windows.log_state import hour_at, hours_of, look, newest_record_at
from tidemill.monitoring.windows.model import Progress, WindowState
from tidemill.monitoring.windows.references import reference_of
from tidemill.monitoring.windows.times import first_id_at, made_at, whole_windows, window_start
from tidemill.serving import Service
from tidemill.serving.find import revisions_in_service
from tidemill.serving.source import ModelSource

MOST_PENDING = 5_000
MOST_TRUTHS = 200_000
HOUR = timedelta(hours=1)
EARLIER = timedelta(minutes=10)
"""How long before the hour of a log file a request in it may have begun."""

SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, PAUSE_AFTER_FAILURE_SECONDS = 2.0, 60.0, 30.0
PART_OF_TIME, BURST_SECONDS = 10, 10.0
"""A service is computed a tenth of the time of a core at most, in the long run; so many seconds may come at once."""

Span = tuple[datetime, datetime]
Pending = list[tuple[str, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A job, and what is noted when it is done."""

    service: Service
    job: Job
    pending: Pending
    hours: dict[str, str]
    look: str
    has_failed: bool


@dataclass(frozen=True, slots=True)
class _State:
    """What the database says of a service."""

    rules: Rules
    progress: Progress | None
    pending: Pending
    open: list[Known]


def planned(site: Site, source: ModelSource, service: Service) -> Planned | None:
    """What is to be computed of a service now; None when nothing is, or not yet."""
    now = site.clock.now()
    seen = look(site.home, service.namespace, service.name)
    with site.database.read() as connection:
        state = _state(connection, service)
    progress = state.progress
    has_news = bool(seen) and (progress is None or seen != progress.look)
    ends = not state.rules.window_rows and any(each.end + SETTLE <= now for each in state.open)
    if not (has_news or state.pending or ends) or not _is_due(state.rules, progress, now):
        return None
    hours = hours_of(site.home, service.namespace, service.name)
    is_settled = newest_record_at(site.home) < (now - SETTLE).timestamp()
    spans = _spans(state, hours, now)
    with site.database.read() as connection:
        job = _job(connection, service, state, spans, now)
        revisions = revisions_in_service(connection, service)
    first = min((start for start, _ in spans), default=now)
    asked = [each for each in revisions if answers(each) or each.changed_at >= first]
    job = _with_references(job, {each.id: reference_of(site, source, service, each) for each in asked})
    # what predictors wrote a moment ago counts as news again next time: not all of it may be there, or be cut yet
    return Planned(
        service=service,
        job=job,
        pending=state.pending,
        hours=hours if is_settled else _over(hours, now - SETTLE),
        look=seen if is_settled else "unsettled",
        has_failed=progress is not None and bool(progress.problem),
    )


def _over(hours: dict[str, str], moment: datetime) -> dict[str, str]:
    """Of these hours those that had ended at a moment."""
    return {name: fact for name, fact in hours.items() if (start := hour_at(name)) and start + HOUR <= moment}


def _state(connection: Connection, service: Service) -> _State:
    namespace_id = service.namespace_id
    return _State(
        rules=rules_of(connection, namespace_id, service.name),
        progress=store.progress_of(connection, namespace_id, service.id),
        pending=truth_store.pending_truths(connection, namespace_id, service.id, limit=MOST_PENDING),
        open=store.known_windows(connection, namespace_id, service.id, state=WindowState.OPEN),
    )


def _next(rules: Rules, progress: Progress) -> datetime:
    pause = min(max(rules.window_seconds / 12, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
    if rules.window_rows:
        pause = SHORTEST_PAUSE_SECONDS
    if progress.problem:
        pause = max(pause, PAUSE_AFTER_FAILURE_SECONDS)
    return progress.computed_at + timedelta(seconds=max(pause, PART_OF_TIME * (progress.seconds - BURST_SECONDS)))


def _is_due(rules: Rules, progress: Progress | None, now: datetime) -> bool:
    """True when it is time; also when the last computation was later than now: the clock was put back."""
    return progress is None or not progress.computed_at <= now < _next(rules, progress)


def debt_after(progress: Progress | None, now: datetime, took_seconds: float) -> float:
    """The seconds of computing that are owed after one more computation: each is paid by `PART_OF_TIME` of waiting."""
    if progress is None:
        return took_seconds
    paid = max(0.0, (now - progress.computed_at).total_seconds()) / PART_OF_TIME
    return max(0.0, progress.seconds - paid) + took_seconds


def _spans(state: _State, hours: dict[str, str], now: datetime) -> tuple[Span, ...]:
    before = state.progress.hours if state.progress is not None else {}
    changed = [moment for name, fact in hours.items() if before.get(name) != fact and (moment := hour_at(name))]
    spans = [(moment - EARLIER, moment + HOUR) for moment in changed]
    if state.rules.window_rows:
        if changed:
            spans += [(each.start, now) for each in state.open]
        return tuple(spans)
    spans += [(each.start, each.start) for each in state.open if each.end + SETTLE <= now]
    moments = {made_at(prediction_id) for prediction_id, _, _ in state.pending}
    starts = {window_start(moment, state.rules.window_seconds) for moment in moments if moment is not None}
    spans += [(start, start) for start in starts]
    return whole_windows(spans, state.rules.window_seconds)


def _job(connection: Connection, service: Service, state: _State, spans: tuple[Span, ...], now: datetime) -> Job:
    namespace_id, by_rows = service.namespace_id, bool(state.rules.window_rows)
    ids = [prediction_id for prediction_id, _, _ in state.pending]
    cursors: dict[str, str] = {}
    if by_rows:
        cursors = store.last_ids(connection, namespace_id, service.id)
        known = [*state.open, *_forced(connection, service, ids)]
        spans = (*spans, *((each.start, each.end + SETTLE) for each in known if each.is_forced))
    else:
        known = [
            each
            for start, end in spans
            for each in store.known_windows(connection, namespace_id, service.id, starts=(start, end))
        ]
        fresh = {
            window_start(moment, state.rules.window_seconds) for each in ids if (moment := made_at(each)) is not None
        }
        known = [_as_forced(each) if each.start in fresh else each for each in known]
    truths: dict[str, dict[int, object]] = {}
    for start, end in spans:
        first_id, before_id = first_id_at(start), first_id_at(end)
        room = MOST_TRUTHS - len(truths)
        truths |= truth_store.truths_between(connection, namespace_id, service.id, first_id, before_id, limit=room)
    return Job(
        service_id=service.id,
        namespace_id=namespace_id,
        namespace=service.namespace,
        service=service.name,
        rules=state.rules,
        now=now.astimezone(UTC),
        spans=spans,
        known=tuple(known),
        cursors=cursors,
        truths=truths,
    )


def _forced(connection: Connection, service: Service, ids: list[str]) -> list[Known]:
    """The closed windows that hold one of these predictions."""
    if not ids:
        return []
    namespace_id = service.namespace_id
    found = store.known_windows(connection, namespace_id, service.id, state=WindowState.CLOSED, ids=(ids[0], ids[-1]))
    return [_as_forced(each) for each in found if any(each.first_id <= one <= each.last_id for one in ids)]


def _as_forced(known: Known) -> Known:
    return Known(**{**{name: getattr(known, name) for name in Known.__slots__}, "is_forced": True})


def _with_references(job: Job, references: dict[str, Reference]) -> Job:
    return Job(**{**{name: getattr(job, name) for name in Job.__slots__}, "references": references})

"""The verb advance_firings: one look at each firing that goes on, and its next step."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from tidemill.base.errors import Conflict, Forbidden, NotFound, StorageFull, TidemillError, Unavailable
from tidemill.base.leases import LeaseLost
from tidemill.base.site import Site
from tidemill.data import Dvc
from tidemill.engine import State, cancel_run, get_run
from tidemill.triggers import store
from tidemill.triggers.approvals import Approvals, NotApproved
from tidemill.triggers.fire import tell_ended
from tidemill.triggers.judge import judgement, registered, reviewed
from tidemill.triggers.model import Firing, FiringState, Then, check_firing_transition
from tidemill.triggers.production import driver_of, submit_production

MOST_ATTEMPTS = 30
MOST_BACK_OFF = timedelta(minutes=10)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hands:
    """What a firing is advanced with."""

    site: Site
    approvals: Approvals
    dvc: Dvc


def advance_firings(site: Site, approvals: Approvals, dvc: Dvc) -> int:
    """Advance every firing that goes on; how many there were.

    Each step is a whole transaction, or finds again what it did before a crash. Runs are made and noted first: what
    is judged takes minutes. What may pass by itself (a full disk, a remote that does not answer) is tried again, later
    and later; other errors end the firing.
    """
    with site.database.read() as connection:
        found = store.open_firings(connection)
    hands, now = Hands(site, approvals, dvc), site.clock.now()
    due = [each for each in found if each.try_again_at is None or not now < each.try_again_at <= now + MOST_BACK_OFF]
    for firing in sorted(due, key=lambda each: (each.state is FiringState.JUDGING, each.id)):
        _advance(hands, firing)
    return len(found)


def _advance(hands: Hands, firing: Firing) -> None:
    try:
        _STEPS[firing.state](hands, firing)
    except LeaseLost:
        raise
    except NotApproved as problem:
        _end(hands.site, firing, FiringState.REFUSED, problem.message, problem.remedy)
    except (StorageFull, Unavailable) as problem:
        _try_again(hands.site, firing, problem)
    except TidemillError as problem:
        _end(hands.site, firing, FiringState.FAILED, _sentence(problem), problem.remedy)
    except Exception as problem:  # a firing that meets a mistake of ours must not hold up the others
        log.exception("firing %s", firing.id)
        _try_again(hands.site, firing, Unavailable(f"{type(problem).__name__}: {problem}", remedy="tidemill doctor"))


def _submit(hands: Hands, firing: Firing) -> None:
    try:
        run = submit_production(hands.site, hands.approvals, hands.dvc, firing)
    except Forbidden as problem:
        _end(hands.site, firing, FiringState.REFUSED, _sentence(problem), problem.remedy)
        return
    _change(hands.site, firing, FiringState.RUNNING, {"reason": None, "remedy": None, "run_id": run.id})


def _watch(hands: Hands, firing: Firing) -> None:
    run = get_run(hands.site, driver_of(firing), firing.run_id or "")
    if run.state is State.SUCCEEDED:
        if firing.action.then is Then.NOTHING:
            _end(hands.site, firing, FiringState.DONE)
        else:
            _change(hands.site, firing, FiringState.JUDGING, {"reason": None, "remedy": None})
    elif run.state.is_final:
        told = f": {run.failure.message}" if run.failure is not None else ""
        _end(hands.site, firing, FiringState.FAILED, f"the run is {run.state.value}{told}", _show(run.id))


def _show(run_id: str) -> str:
    return f"tidemill runs show {run_id[-12:]}"


def _judge(hands: Hands, firing: Firing) -> None:
    version = registered(hands.site, firing)
    if firing.model_version_id is None:
        firing = _note(hands.site, firing, {"model_version_id": version.id, "model_version": version.label})
    review = reviewed(hands.site, firing, version)
    if firing.review_id is None:
        firing = _note(hands.site, firing, {"review_id": review.id})
    judged = judgement(review)
    if judged.state is None:
        _try_again(hands.site, firing, Unavailable(judged.reason or "a check waits"))
    else:
        _end(hands.site, firing, judged.state, judged.reason, judged.remedy)


def _replace(hands: Hands, firing: Firing) -> None:
    """The run may have been made in the very moment in which the firing was replaced."""
    with suppress(NotFound, Conflict):  # there is none, or it has ended
        cancel_run(hands.site, driver_of(firing), firing.run_id or "")
    _end(hands.site, firing, FiringState.REPLACED, firing.reason)


_STEPS = {
    FiringState.WAITING: _submit,
    FiringState.RUNNING: _watch,
    FiringState.JUDGING: _judge,
    FiringState.REPLACING: _replace,
}


def _change(site: Site, firing: Firing, state: FiringState, changes: Mapping[str, Any]) -> None:
    check_firing_transition(firing.state, state)
    fresh = {"state": state.value, "attempts": 0, "try_again_at": None}
    with site.database.write() as connection:
        if not store.change_firing(connection, firing, {**fresh, **changes}):
            log.info("firing %s changed meanwhile", firing.id)


def _note(site: Site, firing: Firing, changes: Mapping[str, Any]) -> Firing:
    """Remember what a step made, so that it is made once."""
    with site.database.write() as connection:
        if not store.change_firing(connection, firing, changes):
            raise Conflict("the firing changed meanwhile")
    return replace(firing, generation=firing.generation + 1, **changes)


def _end(site: Site, firing: Firing, state: FiringState, reason: str | None = None, remedy: str | None = None) -> None:
    check_firing_transition(firing.state, state)
    told = {"reason": reason, "remedy": remedy, "finished_at": site.clock.now(), "try_again_at": None}
    with site.database.write() as connection:
        if store.change_firing(connection, firing, {**told, "state": state.value}):
            tell_ended(connection, site, replace(firing, state=state, reason=reason, remedy=remedy))


def _try_again(site: Site, firing: Firing, problem: TidemillError) -> None:
    attempts = firing.attempts + 1
    if attempts > MOST_ATTEMPTS:
        _end(site, firing, FiringState.FAILED, f"after {attempts} tries: {_sentence(problem)}", problem.remedy)
        return
    again = site.clock.now() + min(timedelta(seconds=2.0 ** min(attempts, 12)), MOST_BACK_OFF)
    told = {"attempts": attempts, "try_again_at": again, "reason": _sentence(problem), "remedy": problem.remedy}
    with site.database.write() as connection:
        store.change_firing(connection, firing, told)


def _sentence(problem: TidemillError) -> str:
    """Place and message as plain text: other programs colour theirs."""
    told = f"{problem.place}: {problem.message}" if problem.place else problem.message
    plain = _COLOURS.sub("", told)
    return "".join(each if each.isprintable() else " " for each in plain)[:2000]

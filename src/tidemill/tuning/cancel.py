"""The verb cancel_tuning."""

from __future__ import annotations

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict, NotFound
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.site import Site
from tidemill.engine import cancel_run
from tidemill.tuning import store
from tidemill.tuning.find import get_tuning
from tidemill.tuning.model import TrialState, Tuning, TuningState, check_tuning_transition


def cancel_tuning(site: Site, actor: Actor, tuning_id: str) -> Tuning:
    """Stop a tuning and the runs of its trials; `Conflict` when it has ended already."""
    actor.demand(Permission.WRITE)
    if not was_done("tuning.cancelled", tuning_id):
        _close(site, actor, tuning_id)
    tuning = get_tuning(site, actor, tuning_id)
    for trial in tuning.trials:
        if trial.state is TrialState.CANCELLED and trial.run_id:
            try:
                cancel_run(site, actor, trial.run_id)
            except Conflict:
                continue  # it has ended meanwhile
    return tuning


def _close(site: Site, actor: Actor, tuning_id: str) -> None:
    now = site.clock.now()
    stopped: list[str] = []
    with site.database.write() as connection:
        tuning = store.tuning_by_id(connection, actor.namespace_id, tuning_id, lock=True)
        if tuning is None:
            raise NotFound(f"there is no tuning {tuning_id[:64]}")
        check_tuning_transition(tuning.state, TuningState.CANCELLED)
        store.close_tuning(connection, tuning, TuningState.CANCELLED, now)
        for trial in tuning.trials:
            if trial.state in (TrialState.CLAIMED, TrialState.RUNNING):
                change = store.TrialChange(state=TrialState.CANCELLED, reason="the tuning was stopped", finished_at=now)
                store.change_trial(connection, tuning, trial, change)
                stopped += [trial.run_id] if trial.run_id else []
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="tuning.cancelled",
            subject_id=tuning_id,
            data={"runs": stopped},
            created_by=actor.person,
        )

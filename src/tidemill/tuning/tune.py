"""The verb tune: start a tuning, or go on with one, and see it through."""

from __future__ import annotations

from collections.abc import Callable

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.tuning.advance import advance_tuning
from tidemill.tuning.find import get_tuning
from tidemill.tuning.model import Tuning, TuningRequest, TuningState
from tidemill.tuning.start import start_tuning


def tune(site: Site, actor: Actor, request: TuningRequest, *, wait: Callable[[Tuning], None]) -> Tuning:
    """Start a tuning and advance it until it ends; `wait` lets time pass, or a worker work, between two looks.

    A worker elsewhere (or in `wait`) must run the trials. Raises as `start_tuning`.
    """
    return resume_tuning(site, actor, start_tuning(site, actor, request).id, wait=wait)


def resume_tuning(site: Site, actor: Actor, tuning_id: str, *, wait: Callable[[Tuning], None]) -> Tuning:
    """Advance a tuning until it ends, from wherever a killed driver left it."""
    tuning = get_tuning(site, actor, tuning_id)
    while tuning.state is TuningState.RUNNING:
        tuning = advance_tuning(site, tuning.namespace_id, tuning.id)
        if tuning.state is TuningState.RUNNING:
            wait(tuning)
    return tuning

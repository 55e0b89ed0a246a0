"""The verb start_tuning: a search is written down; whoever advances it does the work."""

from __future__ import annotations

import math
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput
from tidemill.base.events import append_event
from tidemill.base.repeats import subject_done
from tidemill.base.site import Site
from tidemill.engine.specs import keep_spec
from tidemill.pipelines import check_arguments
from tidemill.tuning import store
from tidemill.tuning.find import get_tuning
from tidemill.tuning.model import Tuning, TuningRequest, TuningState
from tidemill.tuning.space import Dimension, DimensionKind

MAX_TRIALS = 10_000
MAX_PARALLEL = 256


def start_tuning(site: Site, actor: Actor, request: TuningRequest) -> Tuning:
    """Write down a tuning; `advance_tuning` makes its trials.

    Raises `InvalidInput` for a space that does not fit the pipeline's parameters, and for numbers out of range.
    """
    actor.demand(Permission.WRITE)
    if (made := subject_done("tuning.started")) is not None:
        return get_tuning(site, actor, made)
    _check(request)
    now = site.clock.now()
    tuning = Tuning(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        name=request.name,
        state=TuningState.RUNNING,
        objective=request.objective,
        direction=request.direction,
        space=request.space,
        parameters=dict(request.parameters),
        pipeline_digest=request.pipeline.digest,
        trials_wanted=request.trials,
        parallel=request.parallel,
        seed=request.seed,
        experiment=request.experiment,
        origin=dict(request.origin),
        trials=(),
        created_by=actor.person,
        created_at=now,
        finished_at=None,
        generation=1,
    )
    with site.database.write() as connection:
        keep_spec(connection, request.pipeline, namespace_id=actor.namespace_id, created_by=actor.person, now=now)
        store.insert_tuning(connection, tuning)
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="tuning.started",
            subject_id=tuning.id,
            data={"name": tuning.name, "trials": tuning.trials_wanted, "objective": tuning.objective},
            created_by=actor.person,
        )
    return tuning


def _check(request: TuningRequest) -> None:
    if not 1 <= request.trials <= MAX_TRIALS:
        raise InvalidInput(f"a tuning has 1 to {MAX_TRIALS} trials", place="trials")
    if not 1 <= request.parallel <= MAX_PARALLEL:
        raise InvalidInput(f"1 to {MAX_PARALLEL} trials run at a time", place="parallel")
    if not 0 <= request.seed < 2**31:
        raise InvalidInput(f"a seed is from 0 to {2**31 - 1}", place="seed")
    if not request.space:
        raise InvalidInput("a tuning needs a search space", place="space")
    if not request.objective.strip("."):
        raise InvalidInput(
            "a tuning needs an objective", place="objective", remedy="write TASK.ARTIFACT.NAME: evaluate.metrics.mae"
        )
    twice = sorted({dimension.parameter for dimension in request.space} & set(request.parameters))
    if twice:
        raise InvalidInput(f"{twice[0]!r} is both fixed and searched", place="parameters")
    for corner in (_corner(request.space, 0), _corner(request.space, -1)):
        check_arguments(request.pipeline, {**request.parameters, **corner})


def _corner(space: tuple[Dimension, ...], end: int) -> dict[str, Any]:
    """The first or last value of each dimension: if the pipeline takes both, it takes what lies between."""
    corner: dict[str, Any] = {}
    for dimension in space:
        if dimension.kind is DimensionKind.CHOICE:
            corner[dimension.parameter] = dimension.choices[end]
        else:
            value = (dimension.low if end == 0 else dimension.high) or 0.0
            corner[dimension.parameter] = math.floor(value) if dimension.kind is DimensionKind.INTEGER else value
    return corner

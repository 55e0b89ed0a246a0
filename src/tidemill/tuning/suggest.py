"""What to try next: optuna advises on a study that is rebuilt from our rows."""

from __future__ import annotations

import hashlib
from typing import Any

from tidemill.tuning.model import Trial, TrialState, Tuning
from tidemill.tuning.space import Dimension, DimensionKind

ATTEMPTS_FOR_A_NEW_POINT = 20


def suggest(tuning: Tuning, number: int) -> dict[str, Any]:
    """Parameter values for the trial `number`; the same history, seed and number give the same values.

    A point that was tried already is avoided while others are easy to find.
    """
    # lazy: optuna takes half a second to import, and only a driver of a tuning needs it
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {dimension.parameter: _distribution(dimension) for dimension in tuning.space}
    tried = [trial.parameters for trial in tuning.trials]
    point: dict[str, Any] = {}
    for attempt in range(ATTEMPTS_FOR_A_NEW_POINT):
        seed = _seed(tuning.seed, number, attempt)
        # after some vain attempts the advice is left aside: it would stay at the point that it likes best
        sampler = (
            optuna.samplers.TPESampler(seed=seed)
            if attempt < ATTEMPTS_FOR_A_NEW_POINT // 4
            else optuna.samplers.RandomSampler(seed=seed)
        )
        study = optuna.create_study(direction=tuning.direction.value, sampler=sampler)
        study.add_trials([_told(trial, tuning, distributions) for trial in tuning.trials])
        asked = study.ask(distributions).params
        point = {dimension.parameter: _value(dimension, asked) for dimension in tuning.space}
        if point not in tried:
            break
    return point


def _told(trial: Trial, tuning: Tuning, distributions: dict[str, Any]) -> Any:
    """A trial as optuna knows it; one without value yet counts as failed, so that it teaches nothing wrong."""
    import optuna

    done = trial.state is TrialState.SUCCEEDED and trial.value is not None
    state = optuna.trial.TrialState.COMPLETE if done else optuna.trial.TrialState.FAIL
    params = {dimension.parameter: _internal(dimension, trial.parameters) for dimension in tuning.space}
    return optuna.trial.create_trial(
        state=state, value=trial.value if done else None, params=params, distributions=distributions
    )


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.kind is DimensionKind.CHOICE:
        # by position: optuna takes plain values only, we take lists too
        return CategoricalDistribution(list(range(len(dimension.choices))))
    low, high = dimension.low or 0.0, dimension.high or 0.0
    if dimension.kind is DimensionKind.INTEGER:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(dimension.step or 1))
    return FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def _value(dimension: Dimension, asked: dict[str, Any]) -> Any:
    value = asked[dimension.parameter]
    return dimension.choices[value] if dimension.kind is DimensionKind.CHOICE else value


def _internal(dimension: Dimension, parameters: dict[str, Any]) -> Any:
    value = parameters[dimension.parameter]
    return dimension.choices.index(value) if dimension.kind is DimensionKind.CHOICE else value


def _seed(seed: int, number: int, attempt: int) -> int:
    digest = hashlib.sha256(f"{seed}:{number}:{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")

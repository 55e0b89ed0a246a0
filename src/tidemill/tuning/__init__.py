"""A search over runs: optuna advises, the trials are our rows, each trial is a run of the engine."""

from tidemill.tuning.model import Direction, Trial, TrialState, Tuning, TuningRequest, TuningState
from tidemill.tuning.space import Dimension, DimensionKind, parse_space

__all__ = [
    "Dimension",
    "DimensionKind",
    "Direction",
    "Trial",
    "TrialState",
    "Tuning",
    "TuningRequest",
    "TuningState",
    "parse_space",
]

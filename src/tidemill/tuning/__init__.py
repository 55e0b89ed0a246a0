"""A search over runs: optuna advises, the trials are our rows, each trial is a run of the engine."""

from tidemill.tuning.advance import advance_tuning, advance_tunings
from tidemill.tuning.cancel import cancel_tuning
from tidemill.tuning.find import get_tuning, list_tunings
from tidemill.tuning.model import Direction, Trial, TrialState, Tuning, TuningRequest, TuningState
from tidemill.tuning.space import Dimension, DimensionKind, parse_space
from tidemill.tuning.start import start_tuning
from tidemill.tuning.tune import resume_tuning, tune

__all__ = [
    "Dimension",
    "DimensionKind",
    "Direction",
    "Trial",
    "TrialState",
    "Tuning",
    "TuningRequest",
    "TuningState",
    "advance_tuning",
    "advance_tunings",
    "cancel_tuning",
    "get_tuning",
    "list_tunings",
    "parse_space",
    "resume_tuning",
    "start_tuning",
    "tune",
]

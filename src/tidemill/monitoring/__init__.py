"""Monitoring: the log of predictions, windows over it, ground truth, feedback and alerts."""

from tidemill.monitoring.advance import advance_windows
from tidemill.monitoring.lineage import trace_prediction
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.predictions import find_prediction, list_predictions
from tidemill.monitoring.recorder import record_predictions, recorder_socket
from tidemill.monitoring.view import Monitoring, get_monitoring, get_window

__all__ = [
    "Monitoring",
    "Prediction",
    "advance_windows",
    "find_prediction",
    "get_monitoring",
    "get_window",
    "list_predictions",
    "record_predictions",
    "recorder_socket",
    "trace_prediction",
]

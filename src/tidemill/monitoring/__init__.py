"""Monitoring: the log of predictions, written by its own process and asked by prediction id."""

from tidemill.monitoring.lineage import trace_prediction
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.predictions import find_prediction, list_predictions
from tidemill.monitoring.recorder import record_predictions, recorder_socket

__all__ = [
    "Prediction",
    "find_prediction",
    "list_predictions",
    "record_predictions",
    "recorder_socket",
    "trace_prediction",
]

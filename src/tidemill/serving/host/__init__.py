"""Predictor hosts: who starts predictors, keeps their sockets, and starts them again when they die."""

from tidemill.serving.host.contract import Launch, PredictorHost, PredictorState, PredictorStatus
from tidemill.serving.host.forker import Forker
from tidemill.serving.host.process_host import ProcessHost

__all__ = ["Forker", "Launch", "PredictorHost", "PredictorState", "PredictorStatus", "ProcessHost"]

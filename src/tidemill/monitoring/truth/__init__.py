"""Ground truth: what a prediction should have been, known later."""

from tidemill.monitoring.truth.model import Delivery, TruthItem, TruthSource

__all__ = ["Delivery", "TruthItem", "TruthSource"]

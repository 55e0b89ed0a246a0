"""Ground truth: what a prediction should have been, known later."""

from tidemill.monitoring.truth.model import Delivered, Delivery, TruthItem, TruthSource

__all__ = ["Delivered", "Delivery", "TruthItem", "TruthSource"]

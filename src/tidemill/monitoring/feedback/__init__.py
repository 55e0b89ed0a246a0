"""Feedback: what people who saw a prediction say of it."""

from tidemill.monitoring.feedback.leave import leave_feedback
from tidemill.monitoring.feedback.model import Feedback, FeedbackRequest

__all__ = ["Feedback", "FeedbackRequest", "leave_feedback"]

"""Alerts: what the rules found in several windows in a row, until it is well again."""

from tidemill.monitoring.alerts.change import acknowledge_alert, silence_alert
from tidemill.monitoring.alerts.find import get_alert, list_alerts
from tidemill.monitoring.alerts.follow_subject import follow_subject
from tidemill.monitoring.alerts.judge import judge_alerts
from tidemill.monitoring.alerts.model import Alert, AlertState, Subject, subject_of, the_site
from tidemill.monitoring.alerts.tend import tend_alerts

__all__ = [
    "Alert",
    "AlertState",
    "Subject",
    "acknowledge_alert",
    "follow_subject",
    "get_alert",
    "judge_alerts",
    "list_alerts",
    "silence_alert",
    "subject_of",
    "tend_alerts",
    "the_site",
]

"""Rules: what is watched of a service, and from when on it is an alert."""

from tidemill.monitoring.rules.bind import bind_rules, rules_of
from tidemill.monitoring.rules.model import AlertKind, Rules, Task
from tidemill.monitoring.rules.parse import parse_rules

__all__ = ["AlertKind", "Rules", "Task", "bind_rules", "parse_rules", "rules_of"]

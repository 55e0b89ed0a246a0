"""Triggers: a schedule, new data, an approval, an alert, a program or a person fires one production run."""

from tidemill.triggers.advance import advance_firings
from tidemill.triggers.declare import declare_triggers
from tidemill.triggers.due import fire_due
from tidemill.triggers.find import get_firing, get_trigger, list_firings, list_triggers
from tidemill.triggers.fire import fire
from tidemill.triggers.model import (
    Action,
    CatchUp,
    Concurrency,
    Firing,
    FiringState,
    ModelOutputs,
    Then,
    Trigger,
    TriggerKind,
    TriggerSpec,
)
from tidemill.triggers.pause import pause, resume
from tidemill.triggers.poll import poll_sources
from tidemill.triggers.spec import check_spec

# fmt: off
__all__ = [
    "Action", "CatchUp", "Concurrency", "Firing", "FiringState", "ModelOutputs", "Then", "Trigger", "TriggerKind",
    "TriggerSpec", "advance_firings", "check_spec", "declare_triggers", "fire", "fire_due", "get_firing",
    "get_trigger", "list_firings", "list_triggers", "pause", "poll_sources", "resume",
]
# fmt: on

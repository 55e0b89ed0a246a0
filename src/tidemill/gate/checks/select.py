"""Which checks a policy asks for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from tidemill.base.errors import InvalidInput
from tidemill.gate.checks.challenger import ChallengerCheck
from tidemill.gate.checks.contract import ENTRY_POINTS, Check
from tidemill.gate.checks.hygiene import HygieneCheck
from tidemill.gate.checks.leak import LeakCheck
from tidemill.gate.checks.smoke import SmokeCheck
from tidemill.gate.checks.threshold import ThresholdCheck
from tidemill.gate.checks.time_split import TimeSplitCheck
from tidemill.gate.model import Subject
from tidemill.gate.policy import Policy

PIPELINE_CHECK = "pipeline"


def required_checks(policy: Policy, subject: Subject = Subject.MODEL) -> tuple[str, ...]:
    """The names of the checks that must pass under a policy, sorted; a model version always has the smoke test,
    and the comparison with what is live.

    A pipeline version alone has one check of its own: the policy is about what it makes.
    """
    if subject is Subject.PIPELINE:
        return (PIPELINE_CHECK,)
    names = {"smoke", "challenger", *policy.extra_checks}
    if policy.thresholds:
        names.add("threshold")
    if policy.hygiene is not None:
        names.add("hygiene")
        if policy.hygiene.time:
            names.add("time_split")
    if policy.leak is not None:
        names.add("leak")
    return tuple(sorted(names))


def find_checks(policy: Policy) -> Mapping[str, Check]:
    """The checks of a policy by name; `InvalidInput` when a named plug-in is not installed."""
    own: tuple[Check, ...] = (
        ThresholdCheck(),
        HygieneCheck(),
        TimeSplitCheck(),
        LeakCheck(),
        SmokeCheck(),
        ChallengerCheck(),
    )
    built_in = {check.name: check for check in own}
    return {name: built_in[name] if name in built_in else _plug_in(name) for name in required_checks(policy)}


def _plug_in(name: str) -> Check:
    for entry in entry_points(group=ENTRY_POINTS, name=name):
        made: Check = entry.load()()
        return made
    known = sorted({entry.name for entry in entry_points(group=ENTRY_POINTS)})
    raise InvalidInput(
        f"there is no check {name!r} here",
        place="extra_checks",
        remedy=f"installed plug-ins: {', '.join(known)}" if known else "install the package that brings it",
    )

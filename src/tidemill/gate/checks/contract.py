"""What a check gets and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tidemill.artifacts import Artifact
from tidemill.base.site import Site
from tidemill.gate.model import CheckResult
from tidemill.gate.policy import Hygiene, Policy
from tidemill.registry import ModelVersion

ENTRY_POINTS = "tidemill.checks"
"""The entry-point group of further checks; each entry names a class without arguments, which is a `Check`."""


class RunOutputs(Protocol):
    """The outputs of the version's run; `artifact` takes `task.output`, `NotFound` when the run has no such one."""

    def artifact(self, reference: str) -> Artifact: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The version that is live there, proven; its run's outputs, and which it learnt from (None: nobody says)."""

    version: ModelVersion
    hygiene: Hygiene | None
    outputs: RunOutputs


def no_champion() -> Champion | None:
    """Nothing is live."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check may look at: the site, the version, the policy, where it would go live, the run's outputs.

    `champion` finds what is live there now; it raises `Forbidden` when that does not prove.
    """

    site: Site
    version: ModelVersion
    policy: Policy
    environment: str
    service: str
    outputs: RunOutputs
    champion: Callable[[], Champion | None] = no_champion


class Check(Protocol):
    """One question to a candidate, asked without a person.

    `run` gives PASSED or FAILED with a sentence and evidence (JSON without NaN, at most some 100 kB). What it cannot
    find out is FAILED or a `TidemillError`, never PASSED. It may run again after a crash. It neither writes to the
    database nor loads a pickle into this process.
    """

    @property
    def name(self) -> str: ...

    def run(self, context: CheckContext) -> CheckResult: ...

"""Whether samples of the figures are well: verdicts of the same kind that windows of predictions have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tidemill.figures.model import Sample
from tidemill.figures.services import PREDICTOR
from tidemill.monitoring.rules import AlertKind
from tidemill.monitoring.windows.model import Finding, Verdict

RECENT = 10
"""For how many samples, of which there is one a minute, a restart or a jump of the clock counts."""

MARGIN_PERCENT = 2
"""What is below its limit by less than that is neither wrong nor well: it leaves an alert as it is."""

SITE_CHECKS = frozenset({"disk", "memory", "clock", "restarts", "gone"})
PROCESS_CHECKS = frozenset({"restarts", "gone"})
UP = frozenset({"RUNNING", "IDLE", "STARTING"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthLimits:
    """From when on something is not well, and for how many minutes before it is an alert; 0: never."""

    disk_percent: int = 90
    memory_percent: int = 95
    restarts: int = 3
    clock_seconds: int = 60
    minutes: int = 3


Judge = Callable[[Sequence[Sample], HealthLimits], Iterator[Finding]]
"""What is found in the last of some samples, and the `RECENT` ones before it."""


def verdicts_of(samples: Sequence[Sample], limits: HealthLimits, judge: Judge, judged: frozenset[str]) -> list[Verdict]:
    """A verdict for each sample but the first, in the order in which they were taken, whatever their times."""
    found: list[Verdict] = []
    for index in range(1, len(samples)):
        last = samples[index]
        findings = tuple(judge(samples[max(0, index - RECENT) : index + 1], limits))
        found.append(Verdict(window_id="", start=samples[index - 1].at, end=last.at, judged=judged, findings=findings))
    return found


def judge_site(recent: Sequence[Sample], limits: HealthLimits) -> Iterator[Finding]:
    """What is wrong with the machine and with the processes that answer for no service."""
    machine = recent[-1].machine
    used = {
        "disk": (1 - machine.disk_free_bytes / machine.disk_total_bytes, limits.disk_percent),
        "memory": (1 - machine.memory_available_bytes / machine.memory_total_bytes, limits.memory_percent),
    }
    for name, (share, limit) in used.items():
        percent = round(share * 100, 1)
        if limit and percent > limit - MARGIN_PERCENT:
            yield _finding(name, "", percent, limit)
    jump = max((_jump(*pair) for pair in pairwise(recent)), key=abs, default=0.0)
    if limits.clock_seconds and abs(jump) >= limits.clock_seconds:
        yield _finding("clock", "", round(abs(jump), 1), limits.clock_seconds)
    for process in recent[-1].processes:
        if not process.name.startswith(PREDICTOR):
            yield from _process(recent, process.name, process.name, limits)


def judge_process(name: str) -> Judge:
    """What is wrong with one process."""
    return lambda recent, limits: _process(recent, name, "", limits)


def _process(recent: Sequence[Sample], name: str, feature: str, limits: HealthLimits) -> Iterator[Finding]:
    seen = [each for sample in recent for each in sample.processes if each.name == name]
    # it counts from 0 again with a new supervisor
    again = sum(max(0, now.restarts - before.restarts) for before, now in pairwise(seen))
    if limits.restarts and again >= limits.restarts:
        yield _finding("restarts", feature, again, limits.restarts)
    if seen and seen[-1].state not in UP:
        yield _finding("gone", feature, 1, 1)


def _jump(before: Sample, after: Sample) -> float:
    """By how many seconds the clock was set between two samples; 0 where the machine was started anew."""
    then, now = before.machine.uptime_seconds, after.machine.uptime_seconds
    if then is None or now is None or now <= then:
        return 0.0
    return (after.at - before.at).total_seconds() - (now - then)


def _finding(name: str, feature: str, value: float, limit: float) -> Finding:
    return Finding(
        kind=AlertKind.HEALTH,
        name=name,
        feature=feature,
        value=float(value),
        threshold=float(limit),
        breached=value >= limit,
    )

"""What the gateway counted for a revision: answers, failures, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Latencies = tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of answered requests: all, those that were refused as the client's fault (4xx), those that failed (5xx).

    `latencies` tells for each bound in milliseconds how many were answered within it.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    latencies: Latencies = ()

    @property
    def judged(self) -> int:
        """The requests that say something about the revision: a client's fault does not."""
        return max(0, self.requests - self.refused)

    @property
    def error_rate(self) -> float:
        """The share of the judged requests that failed; 0 when there are none."""
        return self.failed / self.judged if self.judged else 0.0

    @property
    def refusal_rate(self) -> float:
        """The share of all requests that was refused; 0 when there are none."""
        return self.refused / self.requests if self.requests else 0.0

    @property
    def timed(self) -> int:
        """The requests whose time is known; the gateway adds times up once a second."""
        return self.latencies[-1][1] if self.latencies else 0

    def percentile(self, percent: float) -> float | None:
        """The bound in milliseconds within which so many percent were answered; None when nothing was timed."""
        if not self.timed:
            return None
        wanted = self.timed * percent / 100
        return next((bound for bound, count in self.latencies if count >= wanted), self.latencies[-1][0])

    def slower_than(self, milliseconds: float) -> int:
        """At least so many took longer: those above the first bound that is not below it."""
        within = next((count for bound, count in self.latencies if bound >= milliseconds), self.timed)
        return self.timed - within

    def plus(self, other: Figures) -> Figures:
        """Both together."""
        return _combined(self, other, 1)

    def since(self, before: Figures) -> Figures:
        """What came after `before` was read; all of it when the gateway began to count anew meanwhile."""
        shrank = any(
            now < then
            for now, then in (
                (self.requests, before.requests),
                (self.failed, before.failed),
                (self.refused, before.refused),
                (self.timed, before.timed),
            )
        )
        return self if shrank else _combined(self, before, -1)

    def to_json(self) -> dict[str, Any]:
        """The figures as they are stored."""
        return {
            "requests": self.requests,
            "refused": self.refused,
            "failed": self.failed,
            "latencies": [[bound, count] for bound, count in self.latencies],
        }


def figures_from_json(stored: Mapping[str, Any] | None) -> Figures:
    """Figures as they were stored."""
    if not stored:
        return Figures()
    pairs: Sequence[Sequence[float]] = stored["latencies"]
    return Figures(
        requests=stored["requests"],
        refused=stored["refused"],
        failed=stored["failed"],
        latencies=tuple((float(bound), int(count)) for bound, count in pairs),
    )


def _combined(one: Figures, other: Figures, sign: int) -> Figures:
    counts = dict(other.latencies)
    bounds = sorted({bound for bound, _ in (*one.latencies, *other.latencies)})
    ours = dict(one.latencies)
    return Figures(
        requests=one.requests + sign * other.requests,
        refused=one.refused + sign * other.refused,
        failed=one.failed + sign * other.failed,
        latencies=tuple((bound, ours.get(bound, 0) + sign * counts.get(bound, 0)) for bound in bounds),
    )

"""How a service goes from one revision to the next: the steps, how long each is held, and what ends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tidemill.base.errors import InvalidInput

EVERYTHING = 100
LONGEST_HOLD_SECONDS = 30 * 86_400.0
PERCENTILES = (50, 90, 95, 99)
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
RESERVED_HEADERS = ("host", "authorization", "content-length", "content-type", "transfer-encoding", "x-request-id")


KINDS: Mapping[str, Callable[[Any], Any]] = {
    "steps": tuple,
    "hold_seconds": float,
    "max_error_rate": float,
    "max_error_increase": float,
    "max_refusal_increase": float,
    "max_latency_ms": float,
    "max_latency_ratio": float,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """The steps in percent of the requests, and the guards; without steps below 100 a new version takes all at once.

    A last step below 100 is held until somebody promotes. A step is held for `hold_seconds` and until its revision
    answered `hold_requests`. `max_error_rate` is the share of requests that the new revision may fail (5xx), unless
    the stable one fails as many; `max_error_increase` how much more of them than the stable one fails, and
    `max_refusal_increase` how much more it may refuse (4xx). A guard of None does not watch. While the new revision
    looks worse than that, and credibly is not yet, its step is held on. `latency_percentile` is the one that both
    latency guards mean.
    """

    steps: tuple[int, ...] = (EVERYTHING,)
    hold_seconds: float = 60.0
    hold_requests: int = 0
    min_requests: int = 20
    max_error_rate: float | None = 0.01
    max_error_increase: float | None = None
    max_refusal_increase: float | None = 0.05
    max_latency_ms: float | None = None
    max_latency_ratio: float | None = None
    latency_percentile: int = 95
    sticky_header: str = "X-Tidemill-Key"

    @property
    def is_at_once(self) -> bool:
        """True when there is no step before everything."""
        return self.steps[0] == EVERYTHING

    def step_after(self, percent: int) -> int | None:
        """The next step above a share; None after the last one."""
        return next((step for step in self.steps if step > percent), None)

    def to_json(self) -> dict[str, Any]:
        """The plan as it is stored."""
        return {**asdict(self), "steps": list(self.steps)}


def plan_from_json(stored: Mapping[str, Any]) -> RolloutPlan:
    """A plan as it was stored, or as somebody wrote it; what is not there is as usual."""
    given: dict[str, Any] = {
        key: value if value is None else KINDS.get(key, lambda each: each)(value) for key, value in stored.items()
    }
    return RolloutPlan(**given)


def check_plan(plan: RolloutPlan, *, place: str = "rollout") -> None:
    """Raise `InvalidInput` with the field that makes no sense."""
    steps = plan.steps
    are_shares = all(0 < step <= EVERYTHING for step in steps)
    if not steps or not are_shares or list(steps) != sorted(set(steps)):
        raise InvalidInput(
            f"{list(steps)[:20]} are no steps", place=f"{place}.steps", remedy="rising percents, as [10, 50, 100]"
        )
    name = plan.sticky_header
    if not HEADER.fullmatch(name) or name.lower() in RESERVED_HEADERS or name.lower().startswith("x-envoy"):
        raise InvalidInput(
            f"{name[:80]!r} is no header to tell callers apart by",
            place=f"{place}.sticky_header",
            remedy='letters, digits and hyphens, as "X-Tidemill-Key"',
        )
    if plan.latency_percentile not in PERCENTILES:
        raise InvalidInput(
            f"the percentile {plan.latency_percentile} is not watched",
            place=f"{place}.latency_percentile",
            remedy=f"choose one of {', '.join(map(str, PERCENTILES))}",
        )
    bounds: tuple[tuple[str, float | None, float, float], ...] = (
        ("hold_seconds", plan.hold_seconds, 0, LONGEST_HOLD_SECONDS),
        ("hold_requests", plan.hold_requests, 0, 1e12),
        ("min_requests", plan.min_requests, 1, 1e12),
        ("max_error_rate", plan.max_error_rate, 0, 1),
        ("max_error_increase", plan.max_error_increase, 0, 1),
        ("max_refusal_increase", plan.max_refusal_increase, 0, 1),
        ("max_latency_ms", plan.max_latency_ms, 0.001, 3_600_000),
        ("max_latency_ratio", plan.max_latency_ratio, 1, 1000),
    )
    for key, value, low, high in bounds:
        if value is not None and not low <= value <= high:
            raise InvalidInput(
                f"{value:g} is out of range", place=f"{place}.{key}", remedy=f"choose {low:g} to {high:g}"
            )

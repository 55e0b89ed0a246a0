"""What a rollout does next, from what the gateway counted: a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidemill.serving.gateway.figures import Figures
from tidemill.serving.rollout.evidence import exceeds, highest_credible
from tidemill.serving.rollout.model import Rollout, RolloutState, Watched
from tidemill.serving.rollout.plan import RolloutPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """To go on with `percent`, or to end it for a `reason`; neither: to wait, perhaps for what `waits_for` tells."""

    percent: int | None = None
    reason: str = ""
    waits_for: str = ""


def next_move(rollout: Rollout, watched: Watched, now: datetime) -> Next:
    """What a rollout whose share the gateway has taken does at `now`."""
    plan = rollout.plan
    reason = breach(plan, watched.canary, watched.stable) or breach(plan, watched.canary_step, watched.stable_step)
    if reason:
        return Next(reason=reason)
    if rollout.paused or rollout.state is not RolloutState.HOLDING or rollout.held_since is None:
        return Next()
    is_held = now - rollout.held_since >= timedelta(seconds=plan.hold_seconds)
    is_seen = watched.canary_step.judged >= plan.hold_requests
    if not is_held or not is_seen:
        return Next()
    if doubt := _doubt(plan, watched.canary, watched.stable) or _doubt(plan, watched.canary_step, watched.stable_step):
        return Next(waits_for=doubt)
    return Next(percent=plan.step_after(rollout.percent))


def breach(plan: RolloutPlan, canary: Figures, stable: Figures) -> str:
    """Why the new revision is credibly worse than a guard allows; empty when it is not."""
    return _errors(plan, canary, stable) or _refusals(plan, canary, stable) or _latency(plan, canary, stable)


def _doubt(plan: RolloutPlan, canary: Figures, stable: Figures) -> str:
    """What looks worse than a guard allows with too little evidence to call it so: more requests decide either way."""
    over = [
        plan.max_error_rate,
        None if plan.max_error_increase is None else stable.error_rate + plan.max_error_increase,
    ]
    allowed = min((max(each, stable.error_rate) for each in over if each is not None), default=1.0)
    if canary.error_rate > allowed:
        return "more requests: of few, more failed than its guard allows"
    increase = plan.max_refusal_increase
    if increase is not None and stable.requests and canary.refusal_rate > stable.refusal_rate + increase:
        return "more requests: of few, more were refused than its guard allows"
    return ""


def _errors(plan: RolloutPlan, canary: Figures, stable: Figures) -> str:
    if canary.judged < plan.min_requests:
        return ""
    told = f"{canary.failed} of {canary.judged} requests failed ({canary.error_rate:.2%})"
    limit = plan.max_error_rate
    if limit is not None and exceeds(canary.failed, canary.judged, limit):
        # what the stable revision fails as well is not the new one's fault
        is_common = exceeds(stable.failed, stable.judged, limit)
        if not is_common or exceeds(canary.failed, canary.judged, highest_credible(stable.failed, stable.judged)):
            return f"{told}, more than max_error_rate {limit:g}"
    increase = plan.max_error_increase
    if increase is not None:
        limit = highest_credible(stable.failed, stable.judged) + increase
        if exceeds(canary.failed, canary.judged, limit):
            return (
                f"{told}, more than max_error_increase {increase:g} above the stable revision: "
                f"{stable.failed} of {stable.judged} ({stable.error_rate:.2%})"
            )
    return ""


def _refusals(plan: RolloutPlan, canary: Figures, stable: Figures) -> str:
    """Callers ask both revisions alike, so that one which refuses more of them (4xx) does not take what was taken."""
    increase = plan.max_refusal_increase
    if increase is None or canary.requests < plan.min_requests:
        return ""
    if not exceeds(canary.refused, canary.requests, highest_credible(stable.refused, stable.requests) + increase):
        return ""
    return (
        f"{canary.refused} of {canary.requests} requests were refused ({canary.refusal_rate:.2%}), more than "
        f"max_refusal_increase {increase:g} above the stable revision: "
        f"{stable.refused} of {stable.requests} ({stable.refusal_rate:.2%})"
    )


def _latency(plan: RolloutPlan, canary: Figures, stable: Figures) -> str:
    if canary.timed < plan.min_requests:
        return ""
    percent = plan.latency_percentile
    limits = [] if plan.max_latency_ms is None else [(plan.max_latency_ms, f"max_latency_ms {plan.max_latency_ms:g}")]
    usual = stable.percentile(percent) if stable.timed >= plan.min_requests else None
    if plan.max_latency_ratio is not None and usual is not None:
        told = f"max_latency_ratio {plan.max_latency_ratio:g} of the stable revision's {usual:g} ms"
        limits.append((usual * plan.max_latency_ratio, told))
    for limit, told in limits:
        slow = canary.slower_than(limit)
        if exceeds(slow, canary.timed, 1 - percent / 100):
            return f"{slow} of {canary.timed} requests took longer than {limit:g} ms: p{percent} is above {told}"
    return ""

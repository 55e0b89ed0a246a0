"""The verb preview: when a trigger fires next, and what it would run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidemill.access import Actor
from tidemill.base.errors import TidemillError
from tidemill.base.site import Site
from tidemill.pipelines import local_imports
from tidemill.triggers.approvals import Approvals, demand_approved
from tidemill.triggers.find import get_trigger
from tidemill.triggers.model import SCHEDULED, Then, Trigger, TriggerKind
from tidemill.triggers.plan_next import schedule_of
from tidemill.triggers.production import approved_spec
from tidemill.triggers.schedule import zone_of

MOST_TIMES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The next times of a schedule on its own clock, and what a firing would do; `refusal` is why it could not."""

    trigger: Trigger
    times: tuple[datetime, ...] = ()
    pipeline: str = ""
    spec_digest: str = ""
    review_id: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    data: tuple[str, ...] = ()
    then: str = ""
    refusal: str = ""
    remedy: str = ""


def preview(site: Site, actor: Actor, reference: str, approvals: Approvals, *, count: int = 5) -> Preview:
    """What is to be expected of a trigger from now on; changes nothing."""
    trigger = get_trigger(site, actor, reference)
    action = trigger.spec.action
    follows = "" if action.model is None else f"a review of {action.model.name} for {action.service} in "
    then = "nothing" if action.then is Then.NOTHING else follows + action.environment
    times = _times(trigger, site.clock.now(), min(count, MOST_TIMES)) if trigger.is_at_work else ()
    try:
        approved = demand_approved(site, approvals, trigger.namespace_id, action)
        pipeline = approved_spec(site, trigger.namespace_id, approved)
    except TidemillError as problem:
        return Preview(trigger=trigger, times=times, then=then, refusal=problem.message, remedy=problem.remedy or "")
    imports = dict(local_imports(pipeline))
    where = f", as {action.branch} of {action.repository} has it" if action.repository else ", newest version"
    return Preview(
        trigger=trigger,
        times=times,
        pipeline=pipeline.name,
        spec_digest=approved.spec_digest,
        review_id=approved.review_id,
        parameters={name: value for name, value in approved.parameters.items() if name not in imports},
        data=tuple(path + where for path in imports.values()),
        then=then,
    )


def _times(trigger: Trigger, now: datetime, count: int) -> tuple[datetime, ...]:
    if trigger.spec.kind not in SCHEDULED:
        return ()
    is_cron = trigger.spec.kind == TriggerKind.CRON
    zone = zone_of(trigger.spec.settings["zone"] if is_cron else "UTC")
    following = schedule_of(trigger.spec, trigger.created_at).following(now, count)
    return tuple(each.at.astimezone(zone) for each in following)

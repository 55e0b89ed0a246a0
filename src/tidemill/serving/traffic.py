"""The verbs traffic and arms_of: who gets which share of a service's requests, and what the gateway counted of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.site import Site
from tidemill.serving.find import get_service, list_revisions
from tidemill.serving.gateway.admin import Admin
from tidemill.serving.gateway.figures import Figures
from tidemill.serving.gateway.place import gateway_place
from tidemill.serving.model import Revision, RevisionState, Service
from tidemill.serving.rollout.find import list_rollouts
from tidemill.serving.rollout.model import Rollout
from tidemill.serving.rollout.plan import EVERYTHING
from tidemill.serving.routing import cluster_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A revision that answers, its share in percent, and what was counted since the gateway or the revision began."""

    revision: Revision
    percent: int
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Who answers a service now; `rollout` is the newest one, under way or not."""

    service: Service
    arms: tuple[Arm, ...]
    rollout: Rollout | None


def traffic(site: Site, actor: Actor, name: str) -> Traffic:
    """The split of a service and the gateway's own statistics; `NotFound`, and `Unavailable` without a gateway."""
    actor.demand(Permission.READ)
    service = get_service(site, actor, name)
    rollout = next(iter(list_rollouts(site, actor, service, limit=1)), None)
    arms = arms_of(site, actor, [service])[service.id]
    return Traffic(service=service, arms=arms, rollout=rollout)


def arms_of(site: Site, actor: Actor, services: Sequence[Service]) -> dict[str, tuple[Arm, ...]]:
    """Who answers each service, by its id, asking the gateway once for all; `Unavailable` without a gateway."""
    answering = {
        each.id: [revision for revision in list_revisions(site, actor, each) if revision.state in _SHARES]
        for each in services
    }
    clusters = [cluster_name(revision.id) for found in answering.values() for revision in found]
    figures = Admin(gateway_place(site).admin).figures(clusters) if clusters else {}
    return {each.id: _arms(site, actor, each, answering[each.id], figures) for each in services}


def _arms(
    site: Site, actor: Actor, service: Service, revisions: list[Revision], figures: Mapping[str, Figures]
) -> tuple[Arm, ...]:
    canary = 0
    if _has_canary(revisions):
        rollout = next(iter(list_rollouts(site, actor, service, limit=1)), None)
        canary = rollout.percent if rollout is not None else 0
    return tuple(
        Arm(
            revision=each,
            percent=canary if each.state is RevisionState.CANARY else EVERYTHING - canary,
            figures=figures[cluster_name(each.id)],
        )
        for each in revisions
    )


_SHARES = (RevisionState.CANARY, RevisionState.LIVE)


def _has_canary(revisions: list[Revision]) -> bool:
    return any(each.state is RevisionState.CANARY for each in revisions)

"""The verb service_figures: what the predictors of each service use together, and how it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from tidemill.access import Actor
from tidemill.base.errors import Unavailable
from tidemill.base.site import Site
from tidemill.figures.model import ProcessFigures, Sample
from tidemill.serving import Service, list_revisions, list_services
from tidemill.serving.gateway import Figures
from tidemill.serving.traffic import arms_of

PREDICTOR = "predictor "
MOST_SERVICES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFigures:
    """The sum of a service's predictors, and what the gateway counted since it or they began: None while it is away.

    `revisions` tells which process answers for which revision: its name, and the revision's number.
    """

    service: str
    predictors: int
    restarts: int
    cpu_percent: float
    memory_bytes: int
    revisions: Mapping[str, str]
    requests: int | None
    failed: int | None
    p95_ms: float | None


def service_figures(site: Site, actor: Actor, sample: Sample) -> list[ServiceFigures]:
    """The services of the namespace that have predictors, by name."""
    predictors = {
        each.name.removeprefix(PREDICTOR): each for each in sample.processes if each.name.startswith(PREDICTOR)
    }
    found: list[tuple[Service, dict[str, ProcessFigures]]] = []
    for service in list_services(site, actor, limit=MOST_SERVICES) if predictors else ():
        numbers = {each.id[-12:]: str(each.number) for each in list_revisions(site, actor, service)}
        own = {numbers[end]: figures for end, figures in predictors.items() if end in numbers}
        if own:
            found.append((service, own))
    counted = _counted(site, actor, [service for service, _ in found])
    return [_sum(service, own, counted.get(service.id)) for service, own in found]


def _counted(site: Site, actor: Actor, services: Sequence[Service]) -> dict[str, Figures]:
    """What the gateway counted for each service; nothing while it is away."""
    try:
        arms = arms_of(site, actor, services)
    except Unavailable:
        return {}
    return {id: reduce(Figures.plus, (arm.figures for arm in each), Figures()) for id, each in arms.items()}


def _sum(service: Service, own: Mapping[str, ProcessFigures], counted: Figures | None) -> ServiceFigures:
    return ServiceFigures(
        service=service.name,
        predictors=len(own),
        restarts=sum(each.restarts for each in own.values()),
        cpu_percent=round(sum(each.cpu_percent for each in own.values()), 1),
        memory_bytes=sum(each.memory_bytes for each in own.values()),
        revisions={each.name: number for number, each in own.items()},
        requests=None if counted is None else counted.requests,
        failed=None if counted is None else counted.failed,
        p95_ms=None if counted is None else counted.percentile(95),
    )

"""The verb service_figures: what the predictors of each service use together."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.figures.model import ProcessFigures, Sample
from tidemill.serving import list_revisions, list_services

PREDICTOR = "predictor "
MOST_SERVICES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFigures:
    """The sum of a service's predictors."""

    service: str
    predictors: int
    restarts: int
    cpu_percent: float
    memory_bytes: int


def service_figures(site: Site, actor: Actor, sample: Sample) -> list[ServiceFigures]:
    """The services of the namespace that have predictors, by name."""
    predictors = {
        each.name.removeprefix(PREDICTOR): each for each in sample.processes if each.name.startswith(PREDICTOR)
    }
    found: list[ServiceFigures] = []
    for service in list_services(site, actor, limit=MOST_SERVICES) if predictors else ():
        ends = {each.id[-12:] for each in list_revisions(site, actor, service)}
        own = [figures for end, figures in predictors.items() if end in ends]
        if own:
            found.append(_sum(service.name, own))
    return found


def _sum(name: str, own: list[ProcessFigures]) -> ServiceFigures:
    return ServiceFigures(
        service=name,
        predictors=len(own),
        restarts=sum(each.restarts for each in own),
        cpu_percent=round(sum(each.cpu_percent for each in own), 1),
        memory_bytes=sum(each.memory_bytes for each in own),
    )

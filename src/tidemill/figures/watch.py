"""The round of health: alerts about the site and its predictors follow from the kept samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tidemill.access import DEFAULT_NAMESPACE, find_namespace
from tidemill.base.site import Site
from tidemill.figures.health import (
    PROCESS_CHECKS,
    RECENT,
    SITE_CHECKS,
    HealthLimits,
    judge_process,
    judge_site,
    verdicts_of,
)
from tidemill.figures.keep import newest_samples
from tidemill.figures.model import Sample
from tidemill.figures.services import PREDICTOR
from tidemill.monitoring.alerts import Subject, follow_subject, subject_of, the_site
from tidemill.monitoring.rules import Rules, rules_of
from tidemill.monitoring.windows.answering import answers
from tidemill.serving.find import every_service, revisions_in_service


class HealthWatch:
    """Looks at samples that it has not seen; one that is new to a site looks at all again, which changes nothing."""

    def __init__(self, limits: HealthLimits) -> None:
        self._limits = limits
        self._seen: datetime | None = None

    def look(self, site: Site) -> None:
        """Bring the alerts of health up to date."""
        samples = newest_samples(site.home, RECENT + 2 * self._limits.minutes + 1)
        if not samples or samples[-1].at == self._seen:
            return
        follow(site, samples, self._limits)
        self._seen = samples[-1].at


def follow(site: Site, samples: Sequence[Sample], limits: HealthLimits) -> None:
    """Bring the alerts of health up to date with some samples, in the order in which they were taken."""
    rules = Rules(windows_to_raise=limits.minutes, windows_to_resolve=limits.minutes)
    owner = find_namespace(site, DEFAULT_NAMESPACE)
    verdicts = verdicts_of(samples, limits, judge_site, SITE_CHECKS)
    follow_subject(site, the_site(owner.id), verdicts, rules)
    for name, subject, own in _predictors(site, samples[-1]):
        verdicts = verdicts_of(samples, limits, judge_process(name), PROCESS_CHECKS)
        follow_subject(site, subject, verdicts, replace(rules, alerts=own.alerts))


def _predictors(site: Site, sample: Sample) -> list[tuple[str, Subject, Rules]]:
    """The processes that answer for a revision, with the rules of its service."""
    names = {
        each.name.removeprefix(PREDICTOR): each.name for each in sample.processes if each.name.startswith(PREDICTOR)
    }
    services = every_service(site) if names else []
    with site.database.read() as connection:
        return [
            (
                names[revision.id[-12:]],
                subject_of(service, revision),
                rules_of(connection, service.namespace_id, service.name),
            )
            for service in services
            for revision in revisions_in_service(connection, service)
            if revision.id[-12:] in names and answers(revision)
        ]

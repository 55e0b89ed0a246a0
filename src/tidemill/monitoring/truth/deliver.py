"""The verb deliver_truth: a batch of true values for predictions made before."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, NotFound, TooLarge
from tidemill.base.events import append_event
from tidemill.base.home import Home
from tidemill.base.repeats import subject_done
from tidemill.base.site import Site
from tidemill.monitoring.rules import rules_of
from tidemill.monitoring.truth import store
from tidemill.monitoring.truth.match import Found, Search, match_apart
from tidemill.monitoring.truth.model import Correction, Delivery, Truth, TruthItem, TruthSource
from tidemill.monitoring.windows.plain_text import plain_text
from tidemill.monitoring.windows.references import reference_of
from tidemill.monitoring.windows.times import made_at
from tidemill.serving import Service, get_service, list_revisions
from tidemill.serving.source import ModelSource, RegistrySource

MOST_ITEMS = 5_000
MOST_NAMED = 100
LONGEST_TEXT = 1_000
RECENT, WAIT_SECONDS = timedelta(seconds=10), 2.0

Match = Callable[[Home, Search, Sequence[TruthItem]], list[Found]]


def deliver_truth(
    site: Site,
    actor: Actor,
    name: str,
    items: Sequence[TruthItem],
    *,
    source: ModelSource | None = None,
    match: Match = match_apart,
) -> Delivery:
    """Keep the true values of these predictions, however late; what became of them.

    The same value again changes nothing. One that contradicts is kept beside the old one, and counts from now on. What
    names no answered prediction is not kept, and told. Raises `InvalidInput` with the item, `NotFound`, `TooLarge`.
    """
    actor.demand(Permission.WRITE)
    service = get_service(site, actor, name)
    known = subject_done("truth.delivered")
    if known is not None:
        return _delivery(site, actor, known)
    _check(items)
    search = _search(site, actor, service, items, source or RegistrySource(site))
    found = found_by(site, search, items, match)
    with site.database.write() as connection:
        return _keep(connection, site, actor, service, list(zip(items, found, strict=True)))


def _check(items: Sequence[TruthItem]) -> None:
    if len(items) > MOST_ITEMS:
        raise TooLarge(f"more than {MOST_ITEMS} items", place="items", remedy="send them in several batches")
    for number, item in enumerate(items):
        place = f"items.{number}"
        names = [each for each in (item.prediction_id, item.request_id, item.key) if each]
        if len(names) != 1:
            raise InvalidInput("needs one of prediction_id, request_id and key", place=place)
        if len(names[0]) > LONGEST_TEXT or item.row < 0:
            raise InvalidInput("names no prediction", place=place)
        if isinstance(item.value, float) and not math.isfinite(item.value):
            raise InvalidInput("is no finite number", place=f"{place}.value", remedy="leave the item out")
        if isinstance(item.value, str) and (len(item.value) > LONGEST_TEXT or "\0" in item.value):
            raise InvalidInput(f"is no text of at most {LONGEST_TEXT} characters", place=f"{place}.value")
        if item.time is not None and item.time.tzinfo is None:
            raise InvalidInput("has no time zone", place=f"{place}.time", remedy="write 2026-01-31T12:00:00Z")


def search_of(
    site: Site, service: Service, *, key: str = "", layouts: Mapping[str, Mapping[str, Any]] | None = None
) -> Search:
    """A search of the log of a service; `layouts` are needed for a key."""
    return Search(
        service_id=service.id,
        namespace_id=service.namespace_id,
        namespace=service.namespace,
        service=service.name,
        now=site.clock.now(),
        key=key,
        layouts=layouts or {},
    )


def _search(site: Site, actor: Actor, service: Service, items: Sequence[TruthItem], source: ModelSource) -> Search:
    if not any(each.key for each in items):
        return search_of(site, service)
    with site.database.read() as connection:
        key = rules_of(connection, actor.namespace_id, service.name).key
    if not key:
        raise InvalidInput(
            f"the service {service.name} has no key column",
            place="items",
            remedy='add key = "COLUMN" to [monitor] and apply, or name predictions by their ids',
        )
    layouts = {}
    for revision in list_revisions(site, actor, service):
        document = reference_of(site, source, service, revision).document
        if document is not None:
            layouts[revision.model_version_id] = {name: document[name] for name in ("signature", "columns")}
    return search_of(site, service, key=key, layouts=layouts)


def found_by(site: Site, search: Search, items: Sequence[TruthItem], match: Match) -> list[Found]:
    """What the log says; for predictions of a moment ago it is asked again, as predictors hold them back a little."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = match(site.home, search, items) if items else []
        missing = [item for item, places in zip(items, found, strict=True) if not places]
        moments = [made_at(item.prediction_id or "") for item in missing]
        recent = [each for each in moments if each is not None and abs(search.now - each) < RECENT]
        if not recent or time.monotonic() > deadline:
            return found


class _Sorting:
    """A batch, sorted into what is new, what was said already, what contradicts and what names nothing."""

    def __init__(self, known: Mapping[tuple[str, int], Truth], person: str, now: datetime) -> None:
        self._known, self._person, self._now = known, person, now
        self.truths: dict[tuple[str, int], Truth] = {}
        self.counts = {"new": 0, "repeated": 0, "corrected": 0, "unknown": 0}
        self.unknown = list[str]()
        self.corrections = list[Correction]()

    def take(self, item: TruthItem, found: Found) -> None:
        """Sort one item."""
        if not found:
            self.unknown.append(plain_text(item.name))
        told = [self._at(item, place) for place in found] or ["unknown"]
        self.counts[max(told, key=("unknown", "repeated", "new", "corrected").index)] += 1

    def _at(self, item: TruthItem, place: tuple[str, int]) -> str:
        before = self.truths.get(place) or self._known.get(place)
        if before is not None and before.value == item.value:
            return "repeated"
        if before is not None:
            self.corrections.append(Correction(name=plain_text(item.name), was=before.value, now=item.value))
        self.truths[place] = Truth(
            prediction_id=place[0],
            row=place[1],
            number=self._known[place].number + 1 if place in self._known else 1,
            value=item.value,
            source=TruthSource.DELIVERED,
            created_by=self._person,
            created_at=self._now,
        )
        return "new" if before is None else "corrected"


def _keep(
    connection: Connection, site: Site, actor: Actor, service: Service, items: list[tuple[TruthItem, Found]]
) -> Delivery:
    now = site.clock.now()
    places = (place[0] for _, found in items for place in found)
    known = store.current_truths(connection, actor.namespace_id, service.id, places)
    sorting = _Sorting(known, actor.person, now)
    for item, found in items:
        sorting.take(item, found)
    store.insert_truths(connection, actor.namespace_id, service.id, list(sorting.truths.values()))
    delivery = Delivery(
        id=site.ids.new(),
        received=len(items),
        **sorting.counts,
        unknown_names=tuple(sorting.unknown[:MOST_NAMED]),
        corrections=tuple(sorting.corrections[:MOST_NAMED]),
        created_by=actor.person,
        created_at=now,
    )
    store.insert_delivery(connection, actor.namespace_id, service.id, delivery)
    append_event(
        connection,
        site.clock,
        namespace_id=actor.namespace_id,
        kind="truth.delivered",
        subject_id=delivery.id,
        data={"service": service.name, "received": delivery.received, **sorting.counts},
        created_by=actor.person,
    )
    return delivery


def _delivery(site: Site, actor: Actor, delivery_id: str) -> Delivery:
    with site.database.read() as connection:
        found = store.delivery_by_id(connection, actor.namespace_id, delivery_id)
    if found is None:
        raise NotFound(f"there is no delivery {delivery_id[:64]}")
    return found

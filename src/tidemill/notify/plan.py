"""Who is told of what, from the table `[notify]` of a project file or from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.notify.model import Address, NotifyOptions, NotifyPlan, Subject
from tidemill.notify.notifiers import find_notifier

MOST_ADDRESSES = 50
CHOSEN = tuple(each for each in Subject if each is not Subject.TESTS)


def parse_plan(value: Mapping[str, Any], *, place: str) -> NotifyPlan:
    """The plan of a checked table; `InvalidInput` with the field for an address that can never be told.

    Without `events` all subjects are told.
    """
    addresses = [
        *(Address(notifier="mail", text=each) for each in value.get("emails", ())),
        *(Address(notifier="webhook", text=each) for each in value.get("webhooks", ())),
        *(_other(each, f"{place}.others") for each in value.get("others", ())),
    ]
    plan = NotifyPlan(
        addresses=tuple(dict.fromkeys(addresses)),
        subjects=tuple(Subject(each) for each in dict.fromkeys(value.get("events", CHOSEN))),
    )
    _check(plan.addresses, place)
    return plan


def listed(text: str) -> list[str]:
    """The items of a setting that separates them by commas or blanks."""
    return text.replace(",", " ").split()


def _other(text: str, place: str) -> Address:
    name, colon, rest = text.partition(":")
    if not (name and colon and rest):
        raise InvalidInput(f"{text[:80]!r} names no notifier", place=place, remedy="write NOTIFIER:ADDRESS")
    return Address(notifier=name, text=rest)


def _check(addresses: Iterable[Address], place: str) -> None:
    plain = NotifyOptions()
    fields = {"mail": "emails", "webhook": "webhooks"}
    for number, each in enumerate(addresses):
        where = f"{place}.{fields.get(each.notifier, 'others')}"
        if number >= MOST_ADDRESSES:
            raise InvalidInput(f"are more than {MOST_ADDRESSES}", place=where, remedy="tell a list of people by one")
        find_notifier(each.notifier, plain, place=where).check(each.text, place=where)

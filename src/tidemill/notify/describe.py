"""What an event says to people: its subject, one line, some facts and the page that shows more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from tidemill.base.events import Event
from tidemill.notify.model import Notice, Subject
from tidemill.notify.plain import plain

Said = tuple[str, tuple[str, ...], str]
"""A title, the names of the facts that are told, and the path of a page."""

GUARDED_BY = "serving"
"""Who takes a rollout back when no person does."""

MOST_TITLE = 200


def describe(event: Event, base_url: str) -> Notice | None:
    """The notice of an event, None when there is nothing in it that needs anybody."""
    if event.kind not in KINDS:
        return None
    subject, say = KINDS[event.kind]
    said = say(event)
    if said is None:
        return None
    title, names, path = said
    facts = {
        name.replace("_", " "): plain(event.data[name]) for name in names if event.data.get(name) not in (None, "")
    }
    return Notice(
        number=event.number,
        subject=subject,
        kind=event.kind,
        title=plain(title, MOST_TITLE),
        facts=facts,
        link=base_url.rstrip("/") + path if base_url else "",
        at=event.created_at,
    )


def _alert(event: Event) -> Said:
    told = _shown(event.data)
    of = f" of {told['feature']}" if told["feature"] else ""
    state = "is well again" if event.kind == "alert.resolved" else "raised"
    names = ("service", "environment", "revision", "alert", "feature", "value", "threshold")
    title = f"{told['service'] or 'the site'}: alert {told['alert']}{of} {state}"
    page = f"/monitoring/{_part(event.data, 'service')}" if told["service"] else "/health"
    return title, (*names, "window_start", "window_end", "message"), page


def _review(event: Event) -> Said:
    told = _shown(event.data)
    title = f"A review waits: {told['candidate']} for {told['service']} in {told['environment']}"
    return (
        title,
        ("candidate", "service", "environment", "opened_by", "approvals"),
        f"/reviews/{quote(event.subject_id)}",
    )


def _rollout(event: Event) -> Said | None:
    if event.created_by != GUARDED_BY:
        return None  # a person did it, and knows
    told = _shown(event.data)
    title = f"{told['service']}: revision {told['revision']} was rolled back"
    names = ("service", "environment", "revision", "from_revision", "percent", "reason")
    return title, names, f"/services/{_part(event.data, 'service')}"


def _firing(event: Event) -> Said | None:
    if event.data.get("state") not in ("failed", "stopped", "refused"):
        return None
    told = _shown(event.data)
    title = f"{told['project']}: what the trigger {told['trigger']} fired was {told['state']}"
    if event.data["state"] == "failed":
        title = f"{told['project']}: what the trigger {told['trigger']} fired has failed"
    names = ("project", "trigger", "state", "reason", "run_id", "model_version")
    return title, names, f"/triggers/{_part(event.data, 'trigger')}"


def _letter(event: Event) -> Said:
    title = f"Something could not be told to {_shown(event.data)['topic']} and was given up"
    return title, ("topic", "attempts", "error"), "/"


class _Shown(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "?"


def _shown(data: Mapping[str, Any]) -> _Shown:
    return _Shown({name: plain(value, 80) for name, value in data.items() if value is not None})


def _part(data: Mapping[str, Any], name: str) -> str:
    return quote(plain(data.get(name, ""), 100), safe="")


KINDS: dict[str, tuple[Subject, Callable[[Event], Said | None]]] = {
    "alert.raised": (Subject.ALERTS, _alert),
    "alert.resolved": (Subject.ALERTS, _alert),
    "review.waiting": (Subject.REVIEWS, _review),
    "rollout.rolled_back": (Subject.ROLLOUTS, _rollout),
    "firing.ended": (Subject.FIRINGS, _firing),
    "effect.died": (Subject.DEAD_LETTERS, _letter),
}
"""The events that people are told of."""

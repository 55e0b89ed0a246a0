"""Specs of triggers: checked as they are declared, and their stored form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.triggers.model import (
    Action,
    CatchUp,
    Concurrency,
    ModelOutputs,
    Then,
    TriggerKind,
    TriggerSpec,
)
from tidemill.triggers.schedule import cron_schedule, zone_of
from tidemill.triggers.sources.find import source_of
from tidemill.triggers.sources.git_remote import check_address, check_branch

SPEC_SCHEMA_VERSION = 1
DEFAULT_POLL_SECONDS = 30
MOST_CAUGHT_UP = 100
_ALERT_KINDS = frozenset({"drift", "performance", "quality", "health"})


def check_spec(spec: TriggerSpec, *, place: str) -> TriggerSpec:
    """The spec with all that its kind takes; `InvalidInput` below `place` for what is wrong, missing or too much."""
    settings = {key: value for key, value in spec.settings.items() if value not in (None, "")}
    check = _CHECKS.get(spec.kind, _polled)
    checked = check(spec.kind, settings, place)
    extra = sorted(set(settings) - set(checked) - {"poll_seconds", "repository", "branch"})
    if extra:
        raise InvalidInput(f"means nothing for the kind {spec.kind}", place=f"{place}.{extra[0]}")
    if spec.cooldown_seconds < 0:
        raise InvalidInput("is 0 or more", place=f"{place}.cooldown_seconds")
    if spec.catch_up is CatchUp.ALL and spec.concurrency is not Concurrency.ALLOW:
        raise InvalidInput(
            "makes several firings at a time", place=f"{place}.catch_up", remedy='with concurrency = "allow"'
        )
    if not 1 <= spec.catch_up_limit <= MOST_CAUGHT_UP:
        raise InvalidInput(f"is from 1 to {MOST_CAUGHT_UP}", place=f"{place}.catch_up_limit")
    return replace(spec, settings=checked, action=_checked_action(spec.action, place))


def _checked_action(action: Action, place: str) -> Action:
    if action.then is Then.REVIEW and (action.model is None or not action.service):
        raise InvalidInput(
            "a review of what it trains needs the tables [model] and [service]",
            place=place,
            remedy='add them, or let the run be all: then = "nothing"',
        )
    if not action.repository:
        return replace(action, branch="")
    check_address(action.repository, place=f"{place}.repository")
    branch = check_branch(action.branch or "main", place=f"{place}.branch")
    return replace(action, branch=branch)


def _cron(_: str, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    zone = str(settings.get("zone", "UTC"))
    zone_of(zone, place=f"{place}.zone")
    return {"cron": cron_schedule(_needed(settings, "cron", place), zone, place=f"{place}.cron").line, "zone": zone}


def _interval(_: str, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    seconds = _needed(settings, "every_seconds", place)
    if not isinstance(seconds, int) or not 1 <= seconds <= 366 * 86_400:
        raise InvalidInput("is a number of seconds from 1 to those of a year", place=f"{place}.every_seconds")
    return {"every_seconds": seconds}


def _alert(_: str, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    kind = settings.get("alert_kind")
    if kind is not None and kind not in _ALERT_KINDS:
        known = ", ".join(sorted(_ALERT_KINDS))
        raise InvalidInput(f"{kind!r} is no kind of alert", place=f"{place}.alert_kind", remedy=f"known: {known}")
    return {name: str(settings[name]) for name in ("service", "alert", "alert_kind") if name in settings}


def _nothing(_: str, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {}


def _polled(kind: str, settings: Mapping[str, Any], place: str) -> dict[str, Any]:
    seconds = settings.get("poll_seconds", DEFAULT_POLL_SECONDS)
    if not isinstance(seconds, int) or not 1 <= seconds <= 86_400:
        raise InvalidInput("is a number of seconds from 1 to those of a day", place=f"{place}.poll_seconds")
    own = {key: value for key, value in settings.items() if key != "poll_seconds"}
    return {**source_of(kind, own, place=f"{place}.on").check(own, place=place), "poll_seconds": seconds}


_CHECKS: Mapping[str, Callable[[str, Mapping[str, Any], str], dict[str, Any]]] = {
    TriggerKind.CRON: _cron,
    TriggerKind.INTERVAL: _interval,
    TriggerKind.ALERT: _alert,
    TriggerKind.PIPELINE_APPROVED: _nothing,
    TriggerKind.HTTP: _nothing,
    TriggerKind.PERSON: _nothing,
}


def _needed(settings: Mapping[str, Any], key: str, place: str) -> Any:
    if key not in settings:
        raise InvalidInput(f"needs the key {key!r}", place=place)
    return settings[key]


def action_to_json(action: Action) -> dict[str, Any]:
    """The action as it is stored."""
    return {"schema_version": SPEC_SCHEMA_VERSION, **asdict(action), "then": action.then.value}


def action_of(stored: Mapping[str, Any]) -> Action:
    """The action of its stored form."""
    fields = {key: value for key, value in stored.items() if key != "schema_version"}
    model = fields["model"]
    outputs = None if model is None else ModelOutputs(**model)
    return Action(**{**fields, "then": Then(fields["then"]), "model": outputs})


def spec_to_json(spec: TriggerSpec) -> dict[str, Any]:
    """The spec as it is stored."""
    return {
        "schema_version": SPEC_SCHEMA_VERSION,
        "name": spec.name,
        "kind": str(spec.kind),
        "action": action_to_json(spec.action),
        "settings": dict(spec.settings),
        "concurrency": spec.concurrency.value,
        "cooldown_seconds": spec.cooldown_seconds,
        "catch_up": spec.catch_up.value,
        "catch_up_limit": spec.catch_up_limit,
    }


def spec_of(stored: Mapping[str, Any]) -> TriggerSpec:
    """The spec of its stored form."""
    fields = {key: value for key, value in stored.items() if key != "schema_version"}
    changed = {
        "action": action_of(fields["action"]),
        "concurrency": Concurrency(fields["concurrency"]),
        "catch_up": CatchUp(fields["catch_up"]),
    }
    return TriggerSpec(**{**fields, **changed})

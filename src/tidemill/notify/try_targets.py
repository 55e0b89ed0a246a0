"""The verbs try_targets and list_targets: who is told, and whether a message gets there."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import InvalidInput, TidemillError
from tidemill.base.site import Site
from tidemill.notify import store
from tidemill.notify.deliver import ATTEMPT_SECONDS
from tidemill.notify.model import Address, Message, Notice, NotifyOptions, Subject, Target
from tidemill.notify.notifiers import find_notifier
from tidemill.notify.plain import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A target without what is secret in its address; `project` is "" for one of the settings."""

    project: str
    notifier: str
    address: str
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Whether a test message got to a target; `problem` is None when it did."""

    target: Shown
    problem: str | None


def list_targets(site: Site, actor: Actor, options: NotifyOptions) -> list[Shown]:
    """Who is told of what in the namespace."""
    actor.demand(Permission.READ)
    return [_shown(each, options) for each in _targets(site, actor, options)]


def try_targets(
    site: Site, actor: Actor, options: NotifyOptions, *, patience_seconds: float = ATTEMPT_SECONDS
) -> list[Tried]:
    """Send one test message to each target, all at the same time and at once, past the outbox."""
    actor.demand(Permission.OPERATE)
    targets = _targets(site, actor, options)
    found: dict[Address, str | None] = {}
    message = _message(site, actor)

    def send(address: Address) -> None:
        try:
            find_notifier(address.notifier, options).send(message, address.text)
        except TidemillError as problem:
            found[address] = str(problem)
        except Exception as problem:  # noqa: BLE001  (a notifier may be a plug-in: whatever it raises is an outcome)
            found[address] = f"{type(problem).__name__}: {plain(problem)}"
        else:
            found[address] = None

    threads = [
        threading.Thread(target=send, args=(address,), name="notify test", daemon=True)
        for address in dict.fromkeys(each.address for each in targets)
    ]
    for thread in threads:
        thread.start()
    until = site.clock.monotonic_seconds() + patience_seconds
    for thread in threads:
        thread.join(max(0.0, until - site.clock.monotonic_seconds()))
    late = f"no answer within {patience_seconds:g} s"
    return [Tried(target=_shown(each, options), problem=found.get(each.address, late)) for each in targets]


def _targets(site: Site, actor: Actor, options: NotifyOptions) -> Sequence[Target]:
    """Those of projects as they are kept; those of the settings as they are now, also before anybody leads."""
    with site.database.read() as connection:
        declared = [each for each in store.targets_of(connection, actor.namespace_id) if each.project]
    now = site.clock.now()
    own = [
        Target(
            namespace_id=actor.namespace_id,
            project=store.SITE_WIDE,
            service="",
            address=address,
            subjects=options.plan.subjects,
            told_until=0,
            minute_began=now,
            sent=0,
            created_by="",
            created_at=now,
        )
        for address in options.plan.addresses
    ]
    return [*own, *declared]


def _shown(target: Target, options: NotifyOptions) -> Shown:
    events = tuple(each.value for each in target.subjects if each is not Subject.TESTS)
    name = target.address.notifier
    try:
        address = find_notifier(name, options).shown(target.address.text)
    except InvalidInput:
        address = "(its plug-in is not installed)"
    return Shown(project=target.project, notifier=name, address=address, events=events)


def _message(site: Site, actor: Actor) -> Message:
    now = site.clock.now()
    notice = Notice(
        number=0,
        subject=Subject.TESTS,
        kind="notify.test",
        title="A test: messages of this site reach you",
        facts={"asked by": plain(actor.person)},
        link="",
        at=now,
    )
    return Message(key=f"test:{site.ids.new()}", notices=(notice,))

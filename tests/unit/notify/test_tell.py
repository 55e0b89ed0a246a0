"""Events become messages: to whom they concern, once, a few in a minute, and never about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.conftest import FixedClock, People, people_of

from tidemill.base.events import append_event
from tidemill.base.outbox import Effect, EffectState, Postman, QueuedEffect, Topic, Undeliverable, enqueue, list_effects
from tidemill.base.site import Site
from tidemill.notify import Address, NotifyOptions, NotifyPlan, Subject, declare_targets, tell_people
from tidemill.notify.deliver import message_from_json
from tidemill.notify.model import Message

OPS = Address(notifier="mail", text="ops@example.org")
HOOK = Address(notifier="webhook", text="https://hooks.example/x")
EVERYTHING = NotifyOptions(plan=NotifyPlan(addresses=(OPS,)), public_url="https://site.example/")
ALERT: dict[str, Any] = {
    "service": "fuel",
    "environment": "production",
    "alert": "drift",
    "feature": "weight",
    "value": 0.4,
}
HOSTILE = "<b>\r\nBcc: x@y.z\u202e\x1b[31m" + "x" * 10_000


@pytest.fixture
def people(still_site: Site) -> People:
    return people_of(still_site)


@pytest.fixture
def site(still_site: Site, people: People) -> Site:
    """A site whose settings name an address, already followed."""
    assert tell_people(still_site, EVERYTHING) == 0
    return still_site


def happen(site: Site, people: People, kind: str, *, by: str = "test", **data: Any) -> None:
    namespace_id = people.owner.namespace_id
    with site.database.write() as connection:
        append_event(
            connection, site.clock, namespace_id=namespace_id, kind=kind, subject_id="s1", data=data, created_by=by
        )


def effects(site: Site, people: People) -> list[QueuedEffect]:
    return list_effects(site, people.owner.namespace_id, states=tuple(EffectState), before=None, limit=100)[::-1]


def messages(site: Site, people: People) -> list[Message]:
    return [message_from_json(each.payload["message"]) for each in effects(site, people)]


def declare(site: Site, people: People, plan: NotifyPlan | None, project: str = "cars", service: str = "fuel") -> None:
    with site.database.write() as connection:
        declare_targets(connection, site, people.author, (project, service), plan)


def titles(site: Site, people: People) -> list[str]:
    return [each.title for message in messages(site, people) for each in message.notices]


def test_an_alert_is_told_once_with_its_page(site: Site, people: People) -> None:
    happen(site, people, "alert.raised", **ALERT)
    assert tell_people(site, EVERYTHING) == 1
    assert tell_people(site, EVERYTHING) == 0
    (message,) = messages(site, people)
    assert message.title == "fuel: alert drift of weight raised"
    assert message.notices[0].link == "https://site.example/monitoring/fuel"
    assert message.notices[0].facts["value"] == "0.4"
    assert effects(site, people)[0].topic == "notify mail"


def test_an_alert_about_the_site_is_told_with_its_own_page(site: Site, people: People) -> None:
    happen(site, people, "alert.raised", **{**ALERT, "service": "", "environment": "", "alert": "disk", "feature": ""})
    tell_people(site, EVERYTHING)
    (message,) = messages(site, people)
    assert message.title == "the site: alert disk raised"
    assert message.notices[0].link == "https://site.example/health"


@pytest.mark.parametrize(
    ("kind", "by", "data", "title"),
    [
        ("alert.resolved", "monitoring", ALERT, "fuel: alert drift of weight is well again"),
        (
            "review.waiting",
            "alan",
            {"candidate": "fuel@2", "service": "fuel", "environment": "production"},
            "A review waits: fuel@2 for fuel in production",
        ),
        ("rollout.rolled_back", "serving", {"service": "fuel", "revision": 4}, "fuel: revision 4 was rolled back"),
        (
            "firing.ended",
            "triggers",
            {"project": "cars", "trigger": "nightly", "state": "failed"},
            "cars: what the trigger nightly fired has failed",
        ),
        (
            "firing.ended",
            "triggers",
            {"project": "cars", "trigger": "nightly", "state": "stopped"},
            "cars: what the trigger nightly fired was stopped",
        ),
        ("effect.died", "x", {"topic": "post"}, "Something could not be told to post and was given up"),
        ("rollout.rolled_back", "olga", {"service": "fuel", "revision": 4}, None),
        ("firing.ended", "triggers", {"project": "cars", "trigger": "nightly", "state": "passed"}, None),
        ("run.succeeded", "olga", {}, None),
    ],
)
def test_what_is_told(site: Site, people: People, kind: str, by: str, data: dict[str, Any], title: str | None) -> None:
    happen(site, people, kind, by=by, **data)
    tell_people(site, EVERYTHING)
    assert titles(site, people) == ([] if title is None else [title])


def test_names_of_others_come_short_and_on_one_line(site: Site, people: People) -> None:
    happen(site, people, "alert.raised", **{**ALERT, "service": HOSTILE, "feature": HOSTILE, "message": HOSTILE})
    tell_people(site, EVERYTHING)
    (message,) = messages(site, people)
    texts = [message.title, *message.notices[0].facts.values(), message.notices[0].link]
    assert all(text.isprintable() and len(text) <= 400 for text in texts)
    assert "\n" not in message.notices[0].link


def test_an_address_gets_a_few_messages_in_a_minute_and_the_rest_as_one(
    site: Site, people: People, clock: FixedClock
) -> None:
    options = replace(EVERYTHING, messages_per_minute=2)
    for _ in range(60):
        happen(site, people, "alert.raised", **ALERT)
        tell_people(site, options)
    assert [len(each.notices) for each in messages(site, people)] == [1, 1]
    clock.advance(60)
    assert tell_people(site, options) == 1
    last = messages(site, people)[-1]
    assert (len(last.notices), last.more) == (50, 8)
    assert last.title == "fuel: alert drift of weight raised (and 57 more)"


def test_a_clock_that_is_put_back_silences_nobody(site: Site, people: People, clock: FixedClock) -> None:
    options = replace(EVERYTHING, messages_per_minute=1)
    happen(site, people, "alert.raised", **ALERT)
    assert tell_people(site, options) == 1
    clock.advance(-86_400)
    happen(site, people, "alert.raised", **ALERT)
    assert tell_people(site, options) == 1


def test_a_project_is_told_of_its_own_and_of_what_it_chose(site: Site, people: People) -> None:
    declare(site, people, NotifyPlan(addresses=(HOOK,), subjects=(Subject.ALERTS, Subject.FIRINGS)))
    happen(site, people, "alert.raised", **ALERT)
    happen(site, people, "alert.raised", **{**ALERT, "service": "other"})
    happen(site, people, "firing.ended", project="cars", trigger="t", state="failed")
    happen(site, people, "rollout.rolled_back", by="serving", service="fuel", revision=2)
    tell_people(site, NotifyOptions())
    assert titles(site, people) == ["fuel: alert drift of weight raised", "cars: what the trigger t fired has failed"]
    declare(site, people, None)
    happen(site, people, "alert.raised", **ALERT)
    assert tell_people(site, NotifyOptions()) == 0, "it names nobody any more"


def test_who_is_named_later_hears_nothing_of_the_past_and_who_stays_misses_nothing(site: Site, people: People) -> None:
    happen(site, people, "alert.raised", **ALERT)
    declare(site, people, NotifyPlan(addresses=(HOOK,)))
    assert tell_people(site, NotifyOptions()) == 0
    happen(site, people, "alert.raised", **ALERT)
    declare(site, people, NotifyPlan(addresses=(HOOK, OPS)))
    assert tell_people(site, NotifyOptions()) == 1
    assert effects(site, people)[0].topic == "notify webhook"


def test_people_of_another_namespace_hear_nothing(site: Site, people: People) -> None:
    declare(site, people, NotifyPlan(addresses=(HOOK,)))
    with site.database.write() as connection:
        append_event(
            connection,
            site.clock,
            namespace_id="other",
            kind="alert.raised",
            subject_id="s",
            data=ALERT,
            created_by="x",
        )
    assert tell_people(site, NotifyOptions()) == 0


def test_a_message_that_is_given_up_is_told_to_others_and_that_is_the_end(
    site: Site, people: People, clock: FixedClock
) -> None:
    both = replace(EVERYTHING, plan=NotifyPlan(addresses=(OPS, HOOK)))
    tell_people(site, both)
    with site.database.write() as connection:
        first = Effect(
            namespace_id=people.owner.namespace_id,
            topic="post",
            lane="l",
            idempotency_key="k",
            payload={},
            created_by="x",
        )
        enqueue(connection, site.clock, site.ids, first)
    _refuse_all(site, ["post"])
    assert tell_people(site, both) == 2
    _refuse_all(site, ["notify mail", "notify webhook"])
    clock.advance(60)
    assert tell_people(site, both) == 0, "that nobody could be told of a dead letter is told to nobody"
    happen(site, people, "alert.raised", **ALERT)
    assert tell_people(site, both) == 2
    _refuse_all(site, ["notify mail"])
    clock.advance(60)
    assert tell_people(site, both) == 1, "the hook hears that the mail did not go out, the mail does not"
    assert effects(site, people)[-1].topic == "notify webhook"


def _refuse_all(site: Site, names: Sequence[str]) -> None:
    def refuse(*_: object) -> None:
        raise Undeliverable("no such receiver")

    for name in names:
        assert Postman(Topic(name=name, deliver=refuse)).deliver(site) == 0

"""The outbox delivers at least once, in order within a lane, under the leader's lease, and gives up with a reason.

Each named test goes red when its guard is off: `OUTBOX_GUARDS_OFF=order pytest tests/unit/base/test_outbox.py`, or
`count`.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import false
from tests.conftest import FixedClock

from tidemill.base.errors import Conflict, NotFound
from tidemill.base.leases import LeaseLost, fenced, take_lease
from tidemill.base.outbox import (
    Effect,
    EffectState,
    Postman,
    QueuedEffect,
    Topic,
    Undeliverable,
    dead_effects,
    drop_effect,
    enqueue,
    forget_effects,
    list_effects,
    overdue_topics,
    retry_effect,
    store,
)
from tidemill.base.site import Site

OFF = set(filter(None, os.environ.get("OUTBOX_GUARDS_OFF", "").split(",")))
NAMESPACE = "n"
ALL = tuple(EffectState)


@pytest.fixture(autouse=True)
def guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guards that the environment switches off."""
    if "order" in OFF:
        monkeypatch.setattr(store, "exists", _Nothing)
    if "count" in OFF:
        change = store.change_effect

        def uncounted(connection: Any, effect: QueuedEffect, state: EffectState, **values: Any) -> bool:
            values.pop("attempts", None)
            return change(connection, effect, state, **values)

        monkeypatch.setattr(store, "change_effect", uncounted)


class _Nothing:
    def where(self, *_: object) -> Any:
        return false()


@dataclass
class Receiver:
    """Takes effects, except where `fails` says otherwise."""

    fails: dict[str, Exception] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    got: list[str] = field(default_factory=list)

    def __call__(self, _site: Site, effect: QueuedEffect) -> None:
        self.tried.append(effect.idempotency_key)
        if effect.idempotency_key in self.fails:
            raise self.fails[effect.idempotency_key]
        self.got.append(effect.idempotency_key)


@pytest.fixture
def receiver() -> Receiver:
    """One who takes all."""
    return Receiver()


def _topic(deliver: Any, **changes: Any) -> Topic:
    return Topic(name="post", deliver=deliver, **changes)


def _put(site: Site, key: str, *, lane: str = "a", topic: str = "post") -> bool:
    effect = Effect(
        namespace_id=NAMESPACE, topic=topic, lane=lane, idempotency_key=key, payload={"text": key}, created_by="olga"
    )
    with site.database.write() as connection:
        return enqueue(connection, site.clock, site.ids, effect)


def _effects(site: Site) -> dict[str, QueuedEffect]:
    found = list_effects(site, NAMESPACE, states=ALL, before=None, limit=100)
    return {effect.idempotency_key: effect for effect in found}


def test_an_effect_is_delivered_once_however_often_it_is_enqueued(still_site: Site, receiver: Receiver) -> None:
    assert _put(still_site, "k1")
    assert not _put(still_site, "k1")
    postman = Postman(_topic(receiver))
    assert postman.deliver(still_site) == 1
    assert not _put(still_site, "k1"), "what was delivered is known, too"
    assert postman.deliver(still_site) == 0
    assert receiver.got == ["k1"]
    assert _effects(still_site)["k1"].state is EffectState.DONE


def test_a_handler_is_told_all_that_was_enqueued(still_site: Site) -> None:
    told: list[QueuedEffect] = []
    _put(still_site, "k1")
    Postman(_topic(lambda _site, effect: told.append(effect))).deliver(still_site)
    (effect,) = told
    assert effect.payload == {"schema_version": 1, "text": "k1"}
    assert (effect.idempotency_key, effect.attempts, effect.created_by) == ("k1", 1, "olga")


def test_an_effect_of_a_rolled_back_transaction_was_never_there(still_site: Site, receiver: Receiver) -> None:
    with pytest.raises(KeyboardInterrupt), still_site.database.write() as connection:
        effect = Effect(namespace_id=NAMESPACE, topic="post", lane="a", idempotency_key="k", payload={}, created_by="o")
        enqueue(connection, still_site.clock, still_site.ids, effect)
        raise KeyboardInterrupt
    assert Postman(_topic(receiver)).deliver(still_site) == 0


def test_order_a_lane_waits_for_its_first_effect_and_no_other_lane_does(
    still_site: Site, clock: FixedClock, receiver: Receiver
) -> None:
    for key, lane in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")):
        _put(still_site, key, lane=lane)
    receiver.fails["a1"] = OSError("refused")
    postman = Postman(_topic(receiver))
    postman.deliver(still_site)
    assert receiver.got == ["b1", "b2"]
    del receiver.fails["a1"]
    clock.advance(60)
    postman.deliver(still_site)
    assert receiver.got == ["b1", "b2", "a1", "a2"]


def test_what_was_put_off_by_a_clock_that_was_ahead_goes_out(
    still_site: Site, clock: FixedClock, receiver: Receiver
) -> None:
    receiver.fails["k1"] = OSError("refused")
    _put(still_site, "k1", lane="a")
    postman = Postman(_topic(receiver))
    postman.deliver(still_site)
    _put(still_site, "k2", lane="b")
    receiver.fails.clear()
    clock.advance(-86_400)
    postman.deliver(still_site)
    assert sorted(receiver.got) == ["k1", "k2"]


def test_the_pauses_grow_and_no_two_lanes_come_back_in_step(still_site: Site, clock: FixedClock) -> None:
    def refuse(*_: object) -> None:
        raise OSError("refused")

    for lane in ("a", "b"):
        _put(still_site, lane, lane=lane)
    postman = Postman(_topic(refuse, attempts=100), draw=random.Random(1))
    pauses = []
    for _ in range(14):
        postman.deliver(still_site)
        now = clock.now()
        pauses.append([(effect.next_attempt_at - now).total_seconds() for effect in _effects(still_site).values()])
        clock.advance(901)
    assert all(1 <= first <= 2 for first in pauses[0])
    assert all(450 <= last <= 900 for last in pauses[-1])
    assert all(one != other for one, other in pauses)


def test_what_fails_every_time_is_given_up_with_its_reason_and_its_lane_goes_on(
    still_site: Site, clock: FixedClock, receiver: Receiver
) -> None:
    receiver.fails["a1"] = OSError("<b>connection refused</b>")
    _put(still_site, "a1")
    _put(still_site, "a2")
    postman = Postman(_topic(receiver, attempts=3))
    for _ in range(3):
        postman.deliver(still_site)
        clock.advance(60)
    assert receiver.tried == ["a1", "a1", "a1", "a2"]
    dead = _effects(still_site)["a1"]
    assert (dead.state, dead.attempts, dead.last_error) == (EffectState.DEAD, 3, "OSError: <b>connection refused</b>")
    assert dead_effects(still_site, limit=5) == [dead]


def test_what_the_receiver_never_takes_is_given_up_at_once(still_site: Site, receiver: Receiver) -> None:
    receiver.fails["k"] = Undeliverable("there is no such address")
    _put(still_site, "k")
    Postman(_topic(receiver)).deliver(still_site)
    assert _effects(still_site)["k"].state is EffectState.DEAD


def test_count_a_crash_in_the_middle_of_an_attempt_repeats_it_but_not_for_ever(
    still_site: Site, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    _put(still_site, "k")
    postman = Postman(_topic(receiver, attempts=3))

    def die(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Postman, "_settle", die)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                postman.deliver(still_site)
            clock.advance(60)
    assert receiver.tried == ["k", "k", "k"], "at least once"
    postman.deliver(still_site)
    assert receiver.tried == ["k", "k", "k"]
    dead = _effects(still_site)["k"]
    assert (dead.state, dead.last_error) == (EffectState.DEAD, "the site ended in the middle of each attempt")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What handlers that hang wait for; open at the end of the test."""
    event = threading.Event()
    yield event
    event.set()


def test_a_handler_that_hangs_costs_its_time_and_no_more(still_site: Site, gate: threading.Event) -> None:
    def hang(_site: Site, effect: QueuedEffect) -> None:
        if effect.lane == "slow":
            gate.wait(60)

    _put(still_site, "s", lane="slow")
    _put(still_site, "q", lane="quick")
    assert Postman(_topic(hang, attempt_seconds=0.05)).deliver(still_site) == 1
    found = _effects(still_site)
    assert found["q"].state is EffectState.DONE
    assert (found["s"].state, found["s"].last_error) == (EffectState.WAITING, "no answer within 0.05 s")


def test_only_some_attempts_may_hang_at_the_same_time(
    still_site: Site, clock: FixedClock, gate: threading.Event
) -> None:
    at_work: list[str] = []

    def hang(_site: Site, effect: QueuedEffect) -> None:
        at_work.append(effect.lane)
        gate.wait(60)

    for number in range(6):
        _put(still_site, f"k{number}", lane=str(number))
    postman = Postman(_topic(hang, attempt_seconds=0.01))
    postman.deliver(still_site)
    clock.advance(60)
    postman.deliver(still_site)
    assert len(at_work) == 4


def test_a_leader_that_lost_its_lease_delivers_nothing_and_records_nothing(
    still_site: Site, clock: FixedClock, receiver: Receiver
) -> None:
    lasts = timedelta(seconds=10)
    first = take_lease(still_site, name="controller", holder="a", lasts=lasts)
    assert first is not None
    _put(still_site, "k")

    def overtaken(_site: Site, effect: QueuedEffect) -> None:
        receiver(still_site, effect)
        clock.advance(11)
        assert take_lease(still_site, name="controller", holder="b", lasts=lasts) is not None

    with pytest.raises(LeaseLost):
        Postman(_topic(overtaken)).deliver(fenced(still_site, first))
    assert _effects(still_site)["k"].state is EffectState.WAITING, "the next leader delivers it again"
    with pytest.raises(LeaseLost):
        Postman(_topic(receiver)).deliver(fenced(still_site, first))
    assert receiver.tried == ["k"]


def test_what_was_given_up_can_be_tried_again_or_dropped(still_site: Site, receiver: Receiver) -> None:
    receiver.fails["k"] = Undeliverable("no")
    _put(still_site, "k")
    postman = Postman(_topic(receiver))
    postman.deliver(still_site)
    effect_id = _effects(still_site)["k"].id
    again = retry_effect(still_site, NAMESPACE, effect_id)
    assert (again.state, again.attempts) == (EffectState.WAITING, 0)
    with pytest.raises(Conflict, match="waiting"):
        drop_effect(still_site, NAMESPACE, effect_id)
    with pytest.raises(NotFound):
        retry_effect(still_site, "another", effect_id)
    postman.deliver(still_site)
    drop_effect(still_site, NAMESPACE, effect_id)
    assert _effects(still_site) == {}


def test_what_ended_long_ago_is_forgotten_the_dead_later_than_the_done(
    still_site: Site, clock: FixedClock, receiver: Receiver
) -> None:
    receiver.fails["dead"] = Undeliverable("no")
    for key in ("dead", "done"):
        _put(still_site, key, lane=key)
    Postman(_topic(receiver)).deliver(still_site)
    clock.advance(15 * 86_400)
    _put(still_site, "waiting")
    assert forget_effects(still_site) == 1
    assert set(_effects(still_site)) == {"dead", "waiting"}
    clock.advance(90 * 86_400)
    assert forget_effects(still_site) == 1
    assert set(_effects(still_site)) == {"waiting"}


def test_a_topic_that_nobody_delivers_is_told(still_site: Site, clock: FixedClock) -> None:
    _put(still_site, "k", topic="nobody's")
    clock.advance(10)
    assert overdue_topics(still_site, timedelta(seconds=20)) == []
    assert overdue_topics(still_site, timedelta(seconds=5)) == ["nobody's"]


def test_an_effect_that_was_delivered_never_waits_again(still_site: Site, receiver: Receiver) -> None:
    _put(still_site, "k")
    Postman(_topic(receiver)).deliver(still_site)
    done = _effects(still_site)["k"]
    with pytest.raises(Conflict, match="delivered"):
        retry_effect(still_site, NAMESPACE, done.id)
    with pytest.raises(ValueError, match="cannot go"), still_site.database.write() as connection:
        store.change_effect(connection, done, EffectState.WAITING)

"""From an event to a mail: what is told leaves the outbox, and a mail server that hangs holds up no webhook."""

from __future__ import annotations

import json
import socket

import pytest
from tests.conftest import people_of
from tests.contract.test_notifiers import Received, post_office, web

from tidemill.base.events import append_event
from tidemill.base.outbox import EffectState, Postman, list_effects
from tidemill.base.site import Site
from tidemill.notify import Address, NotifyOptions, NotifyPlan, tell_people, topics

ALERT = {"service": "fuel", "environment": "production", "alert": "drift", "feature": "weight", "value": 0.4}


def _options(port: int, hook: str) -> NotifyOptions:
    addresses = (Address(notifier="mail", text="ops@example.org"), Address(notifier="webhook", text=hook))
    return NotifyOptions(
        plan=NotifyPlan(addresses=addresses),
        private_addresses=True,
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="none",
    )


def _raise_alert(site: Site, namespace_id: str) -> None:
    with site.database.write() as connection:
        about = {"namespace_id": namespace_id, "kind": "alert.raised", "subject_id": "a", "created_by": "test"}
        append_event(connection, site.clock, data=ALERT, **about)


def test_an_alert_gets_to_a_mailbox_and_a_webhook(site: Site) -> None:
    namespace_id = people_of(site).owner.namespace_id
    mails, posts = Received(), Received()
    with post_office(mails) as port, web(posts) as hook:
        options = _options(port, hook)
        tell_people(site, options)
        _raise_alert(site, namespace_id)
        assert tell_people(site, options) == 2
        assert [Postman(topic).deliver(site) for topic in topics(options)] == [1, 1]
    assert b"fuel: alert drift of weight raised" in mails.got[0]
    assert json.loads(posts.got[0])["title"] == "fuel: alert drift of weight raised"


def test_a_mail_server_that_hangs_holds_up_no_webhook_and_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.notify.notifiers.mail.LONGEST_SECONDS", 0.2)
    namespace_id = people_of(site).owner.namespace_id
    posts = Received()
    with socket.create_server(("127.0.0.1", 0)) as silent, web(posts) as hook:
        options = _options(silent.getsockname()[1], hook)
        tell_people(site, options)
        _raise_alert(site, namespace_id)
        tell_people(site, options)
        assert [Postman(topic).deliver(site) for topic in topics(options)] == [0, 1]
    (left,) = list_effects(site, namespace_id, states=[EffectState.WAITING], before=None, limit=10)
    assert left.topic == "notify mail"
    assert left.attempts == 1
    assert "timed out" in (left.last_error or "")
    assert left.next_attempt_at > left.created_at

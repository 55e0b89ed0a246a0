"""Webhooks: signed over the raw body, compared in constant time, and never counted twice."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from tests.unit.triggers.conftest import Mill

from tidemill.base.errors import Conflict, InvalidInput, TidemillError, Unauthenticated
from tidemill.triggers import Concurrency, Firing, pause
from tidemill.triggers.webhook import Webhook, take_webhook, webhook_secret

BODY = json.dumps({"ref": "refs/heads/main", "after": "c0ffee", "commits": []}).encode()


def secret_of(mill: Mill, name: str = "nightly") -> str:
    return webhook_secret(mill.site, mill.people.owner, name)[1]


def send(mill: Mill, headers: dict[str, str], body: bytes = BODY, name: str = "nightly") -> Firing | None:
    return take_webhook(mill.site, mill.approvals, mill.trigger(name).id, Webhook(headers=headers, body=body))


def github(secret: str, body: bytes = BODY, delivery: str = "1") -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-hub-signature-256": f"sha256={signature}", "x-github-delivery": delivery, "x-github-event": "push"}


def standard(mill: Mill, secret: str, body: bytes = BODY, delivery: str = "1", late: int = 0) -> dict[str, str]:
    sent = str(int(mill.clock.now().timestamp()) - late)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{delivery}.{sent}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(signed).decode()
    return {"webhook-id": delivery, "webhook-timestamp": sent, "webhook-signature": f"v1,AAAA {signature}"}


@pytest.fixture
def hooked(mill: Mill) -> Mill:
    """A mill with a trigger on http that lets several firings go on."""
    mill.approve()
    mill.declare(mill.spec(kind="http", concurrency=Concurrency.ALLOW))
    return mill


def test_a_signed_push_of_each_kind_of_server_fires(hooked: Mill) -> None:
    secret = secret_of(hooked)
    ways = (github(secret), standard(hooked, secret), {"x-gitlab-token": secret, "idempotency-key": "g1"})
    found = [send(hooked, headers) for headers in ways]
    assert len({firing.id for firing in found if firing is not None}) == 3
    assert found[0] is not None
    assert (found[0].kind, found[0].cause) == (
        "http",
        {"event": "push", "ref": "refs/heads/main", "commit": "c0ffee"},
    )
    hooked.advance()
    assert len(hooked.production_runs()) == 3


def test_a_delivery_that_comes_again_is_the_firing_that_it_made(hooked: Mill) -> None:
    secret = secret_of(hooked)
    for headers in (
        github(secret),
        standard(hooked, secret, delivery="s1"),
        {"x-gitlab-token": secret, "idempotency-key": "g1"},
    ):
        assert send(hooked, headers) == send(hooked, headers)
    replayed = send(hooked, github(secret, delivery="another id, which nobody signed"))
    assert replayed == hooked.firings()[0]
    assert len(hooked.firings()) == 3


def test_another_body_secret_or_id_is_refused(hooked: Mill) -> None:
    secret = secret_of(hooked)
    hooked.declare(hooked.spec(kind="http", concurrency=Concurrency.ALLOW), hooked.spec("other", kind="http"))
    wrong = secret_of(hooked, "other")
    assert wrong != secret
    forged: list[dict[str, str]] = [
        {},
        github(wrong),
        github(secret, body=BODY + b" "),
        {**github(secret), "x-hub-signature-256": "sha256="},
        {**github(secret), "x-hub-signature-256": "é\udcff" * 100},
        {"x-hub-signature": "sha1=" + hmac.new(secret.encode(), BODY, hashlib.sha1).hexdigest()},
        standard(hooked, wrong),
        {**standard(hooked, secret), "webhook-id": "2"},
        {**standard(hooked, secret), "webhook-timestamp": "0"},
        {**standard(hooked, secret), "webhook-signature": ""},
        standard(hooked, secret, late=301),
        standard(hooked, secret, late=-301),
        {"x-gitlab-token": wrong},
        {"x-gitlab-token": ""},
        {"authorization": f"Bearer {secret}"},
    ]
    for headers in forged:
        with pytest.raises(Unauthenticated):
            send(hooked, headers)
    with pytest.raises(Unauthenticated):
        take_webhook(hooked.site, hooked.approvals, "no-such-trigger", Webhook(headers=github(secret), body=BODY))
    assert hooked.firings() == []


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 100_000, b'{"n":NaN}'])
def test_a_signed_body_that_is_no_json_is_refused(hooked: Mill, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        send(hooked, github(secret_of(hooked), body=body), body)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'{"ref": {"deep": 1}, "after": 3}'])
def test_facts_that_are_not_told_are_left_out(hooked: Mill, body: bytes) -> None:
    firing = send(hooked, github(secret_of(hooked), body=body), body)
    assert firing is not None
    assert firing.cause == {"event": "push"}


def test_a_trigger_on_data_looks_at_once_and_other_kinds_are_not_fired(mill: Mill, tmp_path: Any) -> None:
    mill.approve()
    mill.declare(mill.spec(kind="data", settings={"path": str(tmp_path), "poll_seconds": 3600}), mill.spec("other"))
    secret = secret_of(mill)
    from tidemill.triggers import poll_sources

    poll_sources(mill.site, mill.approvals)
    assert (mill.trigger().next_at or mill.clock.now()) > mill.clock.now()
    assert send(mill, github(secret)) is None
    assert mill.trigger().next_at == mill.clock.now()
    with pytest.raises(Conflict, match="a webhook fires no trigger of the kind person"):
        send(mill, github(secret_of(mill, "other")), name="other")
    pause(mill.site, mill.people.author, "nightly")
    with pytest.raises(Conflict, match="rests"):
        send(mill, github(secret))


def test_the_secret_is_for_owners_stays_the_same_and_stands_in_no_table(hooked: Mill) -> None:
    assert secret_of(hooked) == secret_of(hooked)
    for person in (hooked.people.author, hooked.people.viewer, hooked.people.approver):
        with pytest.raises(TidemillError):
            webhook_secret(hooked.site, person, "nightly")
    key = hooked.site.home.keys / "webhooks"
    assert key.stat().st_mode & 0o777 == 0o600

"""Webhooks of git servers: who sent one, that nobody changed it, and that it is not sent a second time.

Three ways to sign are known. Standard Webhooks (GitLab's signing token, and a plain git hook with our how-to):
`webhook-signature` is an HMAC over id, time and body. GitHub, Gitea, Forgejo: `X-Hub-Signature-256` is one over the
body. GitLab's older secret token: `X-Gitlab-Token` is the secret itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.canonical import parse_json
from tidemill.base.errors import Conflict, InvalidInput, NotFound, TidemillError, Unauthenticated
from tidemill.base.site import Site
from tidemill.triggers import store
from tidemill.triggers.approvals import Approvals
from tidemill.triggers.find import find_trigger, trigger_of_id
from tidemill.triggers.fire import fire_for
from tidemill.triggers.model import Firing, Occasion, Trigger, TriggerKind
from tidemill.triggers.plan_next import is_polled

MOST_BODY_BYTES = 5 << 20
MOST_SKEW = timedelta(minutes=5)
_REFUSED = "this delivery is not signed with the trigger's secret"
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A webhook as it came: header names in lower case, and the raw body."""

    headers: Mapping[str, str]
    body: bytes


def webhook_secret(site: Site, actor: Actor, reference: str) -> tuple[Trigger, str]:
    """The secret that a git server signs with for a trigger, made from the site's own key and never stored."""
    actor.demand(Permission.ADMINISTER)
    trigger = find_trigger(site, actor.namespace_id, reference)
    return trigger, _PREFIX + base64.b64encode(_key_of(site, trigger.id)).decode()


def take_webhook(site: Site, approvals: Approvals, trigger_id: str, webhook: Webhook) -> Firing | None:
    """Act on a webhook: a trigger on data looks at its branch now (None), one on http fires.

    The same delivery again is the firing that it made. Raises `Unauthenticated` for one that is not signed, whatever
    the trigger; `InvalidInput` for a body that is no JSON, `Conflict` for a kind that no webhook fires.
    """
    found = trigger_of_id(site, trigger_id)
    # an unknown trigger costs the same work and has the same answer
    key = _verified(_key_of(site, trigger_id[:64]), webhook, site.clock.now())
    if found is None:
        raise Unauthenticated(_REFUSED)
    facts = _facts(webhook)
    if not found.is_at_work:
        raise Conflict(f"the trigger {found.name} rests", remedy="tidemill trigger resume")
    if is_polled(found.spec):
        _look_now(site, found)
        return None
    if found.spec.kind != TriggerKind.HTTP:
        raise Conflict(
            f"a webhook fires no trigger of the kind {found.spec.kind}", remedy='declare it with on = "http"'
        )
    return fire_for(site, approvals, found, Occasion(kind=TriggerKind.HTTP, key=key, cause=facts))


def _verified(key: bytes, webhook: Webhook, now: datetime) -> str:
    """The key by which a second delivery of the same is known."""
    headers, body = webhook.headers, webhook.body
    if "webhook-signature" in headers:
        return _standard(key, headers, body, now)
    secret = _PREFIX + base64.b64encode(key).decode()
    if "x-hub-signature-256" in headers:
        wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if _is_same(headers["x-hub-signature-256"], wanted):
            # the id is not signed, so that a replay could carry another one: the signed body names the delivery
            return f"delivery:{hashlib.sha256(body).hexdigest()}"
    elif _is_same(headers.get("x-gitlab-token", ""), secret):
        named = headers.get("idempotency-key") or headers.get("x-gitlab-event-uuid") or ""
        return f"delivery:{hashlib.sha256(named.encode() or body).hexdigest()}"
    raise Unauthenticated(_REFUSED, place="header", remedy="tidemill trigger secret tells it")


def _standard(key: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> str:
    named, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signed = hmac.new(key, f"{named}.{sent}.".encode() + body, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(signed).decode()
    signatures = headers["webhook-signature"].split(" ")[:10]
    if not any([_is_same(each, wanted) for each in signatures]):  # noqa: C419 - each takes its time
        raise Unauthenticated(_REFUSED, place="header webhook-signature", remedy="tidemill trigger secret tells it")
    try:
        at = datetime.fromtimestamp(int(sent), UTC)
    except (ValueError, OverflowError, OSError) as problem:
        raise InvalidInput("is no time", place="header webhook-timestamp") from problem
    if abs(now - at) > MOST_SKEW:
        raise Unauthenticated("this delivery is too old, or the clocks differ", place="header webhook-timestamp")
    return f"delivery:{hashlib.sha256(named.encode()).hexdigest()}"


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())


def _facts(webhook: Webhook) -> dict[str, Any]:
    """The few facts of a push that a firing shows; nothing is decided by them."""
    headers = webhook.headers
    event = headers.get("x-github-event") or headers.get("x-gitlab-event") or headers.get("x-gitea-event") or ""
    try:
        body = parse_json(webhook.body or b"{}", place="body")
    except TidemillError as problem:
        raise InvalidInput("is no JSON", place="body", remedy="let the webhook send application/json") from problem
    told = body if isinstance(body, dict) else {}
    facts = {"event": event, "ref": told.get("ref"), "commit": told.get("after") or told.get("checkout_sha")}
    return {name: value[:200] for name, value in facts.items() if isinstance(value, str) and value}


def _look_now(site: Site, trigger: Trigger) -> None:
    with site.database.write() as connection:
        held = store.trigger_by_id(connection, trigger.namespace_id, trigger.id, lock=True)
        if held is None:
            raise NotFound(f"the trigger {trigger.name} is gone")
        now = site.clock.now()
        if held.next_at is None or held.next_at > now:
            store.change_trigger(connection, held, {"next_at": now, "planned_at": now})


def _key_of(site: Site, trigger_id: str) -> bytes:
    """32 bytes of a trigger's own; who reads the database learns nothing of them."""
    return hmac.new(_site_key(site.home.keys / "webhooks"), trigger_id.encode(), hashlib.sha256).digest()


def _site_key(path: Path) -> bytes:
    """The site's key for webhooks (0600), made at the first use."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_bytes()

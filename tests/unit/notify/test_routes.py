"""Who is told, over the API and from a project file; and a review that waits says so once."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.conftest import POSTGRES_URL, People
from tests.unit.gate.candidates import add_version, open_for

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.base.errors import InvalidInput
from tidemill.base.events import events_after
from tidemill.base.site import Site
from tidemill.gate import Policy, approve, run_checks
from tidemill.notify import NotifyOptions, list_targets
from tidemill.notify.notifiers.mail import MailNotifier
from tidemill.platform import Platform
from tidemill.project.apply import apply_project
from tidemill.project.check import check_notify
from tidemill.project.load import project_of
from tidemill.project.model import ApplyRequest
from tidemill.server.app import create_app

DOCUMENT: dict[str, Any] = {"project": {"name": "cars", "notebook": "n.ipynb"}, "service": {"name": "fuel"}}


def test_a_project_file_names_who_is_told(site: Site, people: People) -> None:
    table = {"webhooks": ["https://hooks.example/s3cret"], "emails": ["ops@example.org"], "events": ["alerts"]}
    apply_project(site, people.author, "cars", ApplyRequest(document={**DOCUMENT, "notify": table}), generation=0)
    found = list_targets(site, people.viewer, NotifyOptions())
    assert sorted((each.notifier, each.address, each.events) for each in found) == [
        ("mail", "ops@example.org", ("alerts",)),
        ("webhook", "https://hooks.example/…", ("alerts",)),
    ]
    apply_project(site, people.author, "cars", ApplyRequest(document=DOCUMENT, base=1), generation=1)
    assert list_targets(site, people.viewer, NotifyOptions()) == []


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"emails": ["nobody"]}, "notify.emails"),
        ({"webhooks": ["gopher://x"]}, "notify.webhooks"),
        ({"others": ["pigeon:loft"]}, "notify.others"),
        ({"others": ["pigeon"]}, "notify.others"),
        ({"emails": [f"a{number}@example.org" for number in range(51)]}, "notify.emails"),
    ],
)
def test_an_address_that_can_never_be_told_is_an_error_with_its_place(table: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as told:
        check_notify(project_of({**DOCUMENT, "notify": table}))
    assert place in (told.value.place or "")


@pytest.mark.skipif(bool(POSTGRES_URL), reason="the platform has a database of its own")
def test_a_test_message_goes_to_everybody_and_who_was_not_reached_is_named(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_NOTIFY_EMAILS", "ops@example.org, you@example.org")
    monkeypatch.setenv("TIDEMILL_NOTIFY_WEBHOOKS", "http://127.0.0.1:9/s3cret")
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(MailNotifier, "send", lambda _, message, address: sent.append((message.title, address)))
    client = TestClient(create_app(platform), base_url="http://localhost")
    owner = {"Authorization": f"Bearer {local_token(platform.site)}"}
    told = client.post("/api/v1/notify/test", headers=owner).json()
    assert sorted(sent) == [
        ("A test: messages of this site reach you", "ops@example.org"),
        ("A test: messages of this site reach you", "you@example.org"),
    ]
    problems = {each["target"]["address"]: each["problem"] for each in told}
    assert problems["ops@example.org"] is None
    assert "notify_private_addresses" in problems["http://127.0.0.1:9/…"]
    assert "s3cret" not in str(told)
    actor = authenticate(platform.site, local_token(platform.site))
    _, secret = create_token(platform.site, actor, person="vera", roles=frozenset({Role.VIEWER}))
    refused = client.post("/api/v1/notify/test", headers={"Authorization": f"Bearer {secret}"})
    assert refused.status_code == 403


def test_a_review_that_waits_for_people_says_so_once(site: Site, people: People) -> None:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version, policy=Policy(approvals=1))
    run_checks(site, people.owner.namespace_id, review.id)
    run_checks(site, people.owner.namespace_id, review.id)
    assert _waiting(site, people) == [review.id]
    approve(site, people.approver, review.id, review.package_digest)
    again = open_for(
        site, people.author, add_version(site, people.author), environment="development", policy=Policy(approvals=0)
    )
    assert _waiting(site, people) == [review.id], f"{again.id} needs nobody"


def _waiting(site: Site, people: People) -> list[str]:
    with site.database.read() as connection:
        found = events_after(connection, namespace_id=people.owner.namespace_id, number=0, kinds=["review.waiting"])
    return [each.subject_id for each in found]

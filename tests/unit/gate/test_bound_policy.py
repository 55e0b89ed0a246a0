"""The policy that was applied for a service binds its reviews in gated environments, whatever a request brings."""

from __future__ import annotations

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import FAILING, add_version, open_for

from tidemill.access import Actor
from tidemill.base.errors import Conflict, Forbidden, InvalidInput
from tidemill.base.signing import signing_key
from tidemill.base.site import Site
from tidemill.gate import Policy, approve, verify_audit
from tidemill.gate.audit import read_audit
from tidemill.gate.bound import bind_policies
from tidemill.gate.policy import BoundPolicy, Threshold

STRICT = Policy(thresholds=(Threshold(metric="mae", max=2.0),), approvals=2)
LAX = Policy(approvals=1)


def bind(site: Site, actor: Actor, source: str = "project fuel, generation 3", **policies: Policy) -> None:
    bound = {name: BoundPolicy(policy=policy, source=source) for name, policy in policies.items()}
    key = signing_key(site.home)
    with site.database.write() as connection:
        bind_policies(connection, site, key, actor, "fuel", bound)


def test_a_review_is_held_to_the_policy_that_was_applied(site: Site, people: People) -> None:
    bind(site, people.owner, production=STRICT)
    review = open_for(site, people.author, add_version(site, people.author), policy=LAX)
    assert (review.policy, review.policy_source) == (STRICT, "project fuel, generation 3")
    assert review.policy_digest == STRICT.digest
    assert {check.name for check in review.checks} == {"challenger", "smoke", "threshold"}
    once = approve(site, people.approver, review.id, review.package_digest)
    assert (once.state, len(once.approvals)) == ("open", 1)


def test_other_environments_and_development_take_what_the_request_brings(site: Site, people: People) -> None:
    bind(site, people.owner, production=STRICT, development=STRICT)
    for environment in ("staging", "development"):
        version = add_version(site, people.author)
        review = open_for(site, people.author, version, policy=LAX, environment=environment, checks=FAILING)
        assert (review.policy, review.policy_source) == (LAX, "")


def test_an_open_review_of_the_policy_before_cannot_be_approved(site: Site, people: People) -> None:
    review = open_for(site, people.author, add_version(site, people.author), policy=LAX)
    bind(site, people.owner, production=STRICT)
    with pytest.raises(Conflict) as caught:
        approve(site, people.approver, review.id, review.package_digest)
    assert "another policy was applied since" in caught.value.message
    assert "project fuel, generation 3" in caught.value.message
    bind(site, people.owner, production=LAX)
    assert approve(site, people.approver, review.id, review.package_digest).state == "approved"


def test_each_change_of_a_policy_is_a_line_of_the_audit_chain(site: Site, people: People) -> None:
    bind(site, people.author, production=LAX)
    bind(site, people.owner, source="project fuel, generation 4", production=LAX)
    bind(site, people.owner, source="project fuel, generation 5", production=STRICT)
    bind(site, people.owner)
    lines = read_audit(site, people.viewer)
    assert [(line.kind, line.person) for line in lines] == [
        ("policy.bound", "alan"),
        ("policy.bound", "olga"),
        ("policy.released", "olga"),
    ]
    assert lines[1].data["previous_policy_digest"] == LAX.digest
    assert lines[1].data["source"] == "project fuel, generation 5"
    assert verify_audit(site, people.viewer) == 3
    review = open_for(site, people.author, add_version(site, people.author), policy=LAX)
    assert review.policy_source == ""


def test_a_policy_without_approvals_binds_nowhere_but_in_development(site: Site, people: People) -> None:
    with pytest.raises(InvalidInput, match="a policy for production needs at least one approval"):
        bind(site, people.owner, production=Policy(approvals=0))
    bind(site, people.owner, development=Policy(approvals=0))
    assert read_audit(site, people.viewer) == []


def test_a_viewer_binds_nothing(site: Site, people: People) -> None:
    with pytest.raises(Forbidden):
        bind(site, people.viewer, production=STRICT)

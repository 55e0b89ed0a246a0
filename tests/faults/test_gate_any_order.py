"""Whatever people do in whatever order, nothing is live that was not approved by enough others."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.unit.gate.candidates import FAILING, PASSING, add_version, make_tables, open_for, person

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.errors import Conflict, Forbidden, NotFound
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site
from tidemill.gate import Review, approve, reject, rollback, verify_audit, verify_live, withdraw
from tidemill.registry import ModelVersion, live_pointer, version_in
from tidemill.registry.retire import retire_version

NAMES = ("ann", "Ann", "ben", "cyd", "dee")
ENVIRONMENTS = ("production", "staging")
ROLES = st.sampled_from(
    [
        {Role.APPROVER},
        {Role.CONTRIBUTOR},
        {Role.OWNER},
        {Role.VIEWER},
        {Role.STEP},
        {Role.OWNER, Role.APPROVER},
        {Role.CONTRIBUTOR, Role.APPROVER},
    ]
)
REFUSALS = (Forbidden, Conflict, NotFound)


@dataclass
class Ledger:
    """What the test itself saw being approved, kept outside the gate."""

    yes: dict[str, set[str]] = field(default_factory=dict)
    approved: set[tuple[str, str]] = field(default_factory=set)
    live: dict[str, str] = field(default_factory=dict)


class AnyOrder(RuleBasedStateMachine):
    """Versions, reviews and decisions by people in changing roles, at one service of two environments."""

    versions = Bundle("versions")
    reviews = Bundle("reviews")

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tidemill-gate-"))
        home = open_home(self.folder / "home")
        clock = SystemClock()
        self.database = Database(sqlite_url(home.database))
        migrate(self.database, home)
        self.site = Site(home=home, database=self.database, clock=clock, ids=Uuid7Ids(clock))
        make_tables(self.site)
        namespace = ensure_namespace(self.site, "default", created_by="test")
        self.root = Actor(person="root", namespace_id=namespace.id, roles=frozenset({Role.VIEWER}))
        self.ledger = Ledger()

    def actor(self, name: str, roles: set[Role]) -> Actor:
        """A person of the namespace."""
        return person(self.root, name, *roles)

    @rule(target=versions, author=st.sampled_from(NAMES[:3]), runner=st.sampled_from(NAMES[:4]))
    def register(self, author: str, runner: str) -> ModelVersion:
        return add_version(self.site, self.actor(author, {Role.CONTRIBUTOR}), run_author=runner)

    @rule(
        target=reviews,
        version=versions,
        opener=st.sampled_from(NAMES),
        approvals=st.integers(1, 2),
        environment=st.sampled_from(ENVIRONMENTS),
        passes=st.sampled_from([True, True, True, False]),
    )
    def open_one(
        self, version: ModelVersion, opener: str, approvals: int, environment: str, passes: bool
    ) -> Review | None:
        return self._open(version, opener, approvals, environment, passes)

    def _open(
        self, version: ModelVersion, opener: str, approvals: int, environment: str, passes: bool
    ) -> Review | None:
        try:
            return open_for(
                self.site,
                self.actor(opener, {Role.CONTRIBUTOR}),
                version,
                approvals=approvals,
                environment=environment,
                checks=PASSING if passes else FAILING,
            )
        except Conflict:
            return None

    @rule(
        review=reviews,
        other=versions,
        name=st.sampled_from(NAMES),
        roles=ROLES,
        is_right=st.sampled_from([True, True, True, False]),
    )
    def approve(self, review: Review | None, other: ModelVersion, name: str, roles: set[Role], is_right: bool) -> None:
        if review is not None:
            self._approve(review, review.package_digest if is_right else other.package_digest, name, roles)

    def _approve(self, review: Review, digest: str, name: str, roles: set[Role]) -> None:
        try:
            done = approve(self.site, self.actor(name, roles), review.id, digest)
        except REFUSALS:
            return
        about = version_in(self.site, self.root.namespace_id, review.model_version_id or "")
        assert digest == about.package_digest
        assert Role.APPROVER in roles
        assert name.casefold() not in {about.author.casefold(), about.run_author.casefold()}
        given = self.ledger.yes.setdefault(review.id, set())
        assert name.casefold() not in given
        given.add(name.casefold())
        assert all(check.state == "passed" for check in done.checks)
        if len(given) >= review.policy.approvals:
            assert done.state == "approved"
            self.ledger.approved.add((review.environment, about.id))
            self.ledger.live[review.environment] = about.id
        else:
            assert done.state == "open"

    @rule(version=versions, names=st.permutations(["cyd", "dee", "eve"]), environment=st.sampled_from(ENVIRONMENTS))
    def promote(self, version: ModelVersion, names: list[str], environment: str) -> None:
        """The ordinary way, so that enough goes live to be protected."""
        review = self._open(version, "ann", 1, environment, True)
        for name in names[:2]:
            if review is not None:
                self._approve(review, review.package_digest, name, {Role.APPROVER})

    @rule(review=reviews, name=st.sampled_from(NAMES), roles=ROLES, how=st.sampled_from([reject, withdraw]))
    def end(self, review: Review | None, name: str, roles: set[Role], how: object) -> None:
        if review is None:
            return
        actor = self.actor(name, roles)
        try:
            if how is reject:
                reject(self.site, actor, review.id, "no")
            else:
                withdraw(self.site, actor, review.id)
        except REFUSALS:
            return

    @rule(
        name=st.sampled_from(NAMES),
        roles=ROLES,
        environment=st.sampled_from(ENVIRONMENTS),
        to=st.one_of(st.none(), versions),
    )
    def roll_back(self, name: str, roles: set[Role], environment: str, to: ModelVersion | None) -> None:
        wanted = None if to is None else to.label
        try:
            pointer = rollback(self.site, self.actor(name, roles), environment=environment, service="fuel", to=wanted)
        except REFUSALS:
            return
        assert roles & {Role.OWNER, Role.CONTRIBUTOR, Role.APPROVER}
        self.ledger.live[environment] = pointer.model_version_id

    @rule(version=versions)
    def retire(self, version: ModelVersion) -> None:
        try:
            retire_version(self.site, self.actor("ann", {Role.OWNER}), version.id)
        except REFUSALS:
            return
        assert version.id not in self.ledger.live.values()

    @invariant()
    def what_is_live_was_approved(self) -> None:
        for environment in ENVIRONMENTS:
            pointer = live_pointer(self.site, self.root, environment=environment, service="fuel")
            proven = verify_live(self.site, self.root.namespace_id, environment=environment, service="fuel")
            if pointer is None:
                assert proven is None
                assert environment not in self.ledger.live
                continue
            assert (environment, pointer.model_version_id) in self.ledger.approved
            assert self.ledger.live[environment] == pointer.model_version_id
            assert proven is not None
            assert proven.model_version_id == pointer.model_version_id

    def teardown(self) -> None:
        if hasattr(self, "site"):
            verify_audit(self.site, self.root)
            SEEN.append(len(self.ledger.approved))
            self.database.close()
            shutil.rmtree(self.folder)


SEEN: list[int] = []
"""How many approvals went through in each example: the test must not pass because nothing ever happened."""


def test_whatever_people_do_in_whatever_order_what_is_live_was_approved() -> None:
    SEEN.clear()
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    assert sum(SEEN) > 10, "hardly anything was approved, so hardly anything was tested"

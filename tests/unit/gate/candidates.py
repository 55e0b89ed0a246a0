"""Model versions and checks for the tests of the gate, without runs and without processes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tidemill.access import Actor, Role
from tidemill.base.canonical import digest_bytes
from tidemill.base.signing import SigningKey
from tidemill.base.site import Site
from tidemill.engine import Run
from tidemill.gate import Policy, Review, ReviewRequest, open_review, store
from tidemill.gate.checks import Check, CheckContext
from tidemill.gate.model import CheckResult, CheckState
from tidemill.registry import ModelVersion, VersionState
from tidemill.registry import store as registry_store
from tidemill.registry.model import Model
from tidemill.registry.seal import seal_version


@dataclass(frozen=True)
class SettledCheck:
    """A check whose result is settled beforehand."""

    name: str
    state: CheckState = CheckState.PASSED

    def run(self, context: CheckContext) -> CheckResult:
        return CheckResult(state=self.state, summary=f"{self.name} {self.state}", evidence={"for": context.service})


PASSING: dict[str, Check] = {name: SettledCheck(name) for name in ("smoke", "threshold", "hygiene", "challenger")}
FAILING: dict[str, Check] = {**PASSING, "smoke": SettledCheck("smoke", CheckState.FAILED)}


def make_tables(site: Site) -> None:
    """The tables of registry and gate."""
    registry_store.metadata.create_all(site.database.engine)
    store.metadata.create_all(site.database.engine)


def person(like: Actor, name: str, *roles: Role) -> Actor:
    """A person in the namespace of another."""
    return Actor(person=name, namespace_id=like.namespace_id, roles=frozenset(roles))


def add_version(
    site: Site,
    author: Actor,
    *,
    model: str = "fuel",
    run: Run | None = None,
    key: SigningKey | None = None,
    **claims: Any,
) -> ModelVersion:
    """A registered version by an author, with a digest of its own; of a run, or of none that there is.

    It is sealed with the `key`, and `claims` are other values than the usual ones.
    """
    with site.database.write() as connection:
        known = registry_store.model_by_name(connection, author.namespace_id, model)
        if known is None:
            known = Model(
                id=site.ids.new(),
                namespace_id=author.namespace_id,
                name=model,
                versions=0,
                created_by=author.person,
                created_at=site.clock.now(),
            )
            registry_store.insert_model(connection, known)
        version_id = site.ids.new()
        values: dict[str, Any] = {
            "package_digest": digest_bytes(version_id.encode()),
            "run_id": site.ids.new() if run is None else run.id,
            "lock_digest": digest_bytes(b"lock"),
            "spec_digest": digest_bytes(b"spec") if run is None else run.spec_digest,
            "metrics": {"mae": 2.5, "r2": 0.75},
            "parameters": {"alpha": 0.1} if run is None else run.parameters,
            "data_versions": {"cars.csv": "md5:1"},
            "run_author": author.person,
        }
        version = ModelVersion(
            id=version_id,
            namespace_id=author.namespace_id,
            model=model,
            number=registry_store.next_number(connection, author.namespace_id, known.id),
            state=VersionState.READY,
            package_artifact_id=site.ids.new(),
            signature={"inputs": [], "outputs": []},
            code_commit="c0ffee",
            author=author.person,
            created_by=author.person,
            created_at=site.clock.now(),
            generation=1,
            **{**values, **claims},
        )
        if key is not None:
            version = replace(version, seal=seal_version(key, version))
        registry_store.insert_version(connection, version, known.id)
    return version


def open_for(
    site: Site,
    actor: Actor,
    version: ModelVersion,
    *,
    approvals: int = 1,
    checks: dict[str, Check] | None = None,
    environment: str = "production",
    policy: Policy | None = None,
) -> Review:
    """An open review of a version for the service `fuel`, its checks settled (passing unless told)."""
    request = ReviewRequest(
        model_version_id=version.id,
        environment=environment,
        service="fuel",
        policy=policy or Policy(approvals=approvals),
    )
    return open_review(site, actor, request, checks=checks or PASSING)

"""What triggers ask the gate: which pipeline version of a project is approved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from sqlalchemy import Connection

from tidemill.base.errors import Conflict
from tidemill.base.site import Site
from tidemill.triggers.model import Action


class Approved(Protocol):
    """An approved pipeline version, proven; `parameters` are all of a run beside its data."""

    @property
    def spec_digest(self) -> str: ...

    @property
    def run_id(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, Any]: ...

    @property
    def review_id(self) -> str: ...


class Approvals(Protocol):
    """The approved pipeline version of a project in an environment, None when people approved none; `Forbidden` when
    what stands in the database is not what was signed."""

    def __call__(
        self, connection: Connection, site: Site, namespace_id: str, project: str, environment: str, /
    ) -> Approved | None: ...


class NotApproved(Conflict):
    """A production run needs a pipeline version that people approved."""

    code = "not_approved"


def demand_approved(site: Site, approvals: Approvals, namespace_id: str, action: Action) -> Approved:
    """The pipeline version that a firing runs; `NotApproved`, `Forbidden`."""
    with site.database.read() as connection:
        found = approvals(connection, site, namespace_id, action.project, action.environment)
    if found is None:
        raise NotApproved(
            f"the project {action.project} has no approved pipeline version for {action.environment}",
            remedy="ask for one: tidemill review open",
        )
    return found

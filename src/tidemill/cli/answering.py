"""A service that is to answer now: one that is being loaded is waited for, any other state is said as it is."""

from __future__ import annotations

import time
from typing import Any

from tidemill.base.errors import NotFound, Unavailable
from tidemill.cli.context import Context
from tidemill.cli.output import note

LOADING_SECONDS = 30.0
NOTICED_SECONDS = 5.0
"""How long it may take until the controller has seen an approval."""

POLL_SECONDS = 0.1


def answering_service(context: Context, name: str) -> dict[str, Any]:
    """The service `name` with a live revision; waits up to `LOADING_SECONDS` for one that was approved and is loaded.

    Raises `NotFound` while nothing was approved, `Unavailable` for what failed or takes longer.
    """
    begun, has_said, approved = time.monotonic(), False, None
    while True:
        service: dict[str, Any] = context.connection.get(f"/services/{name}")
        if any(revision["state"] == "live" for revision in service["revisions"]):
            return service
        waited = time.monotonic() - begun
        if service["reason"] == "RevisionFailed":
            raise Unavailable(
                f"{name} could not be loaded: {service['message']}", remedy=f"tidemill service show {name}"
            )
        if service["reason"] != "Loading":
            if approved is None:
                approved = _is_approved(context, service)
            if not approved or waited > NOTICED_SECONDS:
                said, _, remedy = str(service["message"] or service["reason"]).partition("; ")
                remedy = f"{remedy}; what waits for an approval: tidemill review list --state open"
                raise NotFound(f"{name} has no live revision: {said}", remedy=remedy.removeprefix("; "))
        if waited > LOADING_SECONDS:
            raise Unavailable(
                f"{name} is still being loaded: {service['message']}",
                remedy=f"ask again in a while; tidemill service show {name} says how far it is",
            )
        if not has_said:
            has_said = True
            note(f"{name} is being loaded; waiting for it")
        time.sleep(POLL_SECONDS)


def _is_approved(context: Context, service: dict[str, Any]) -> bool:
    reviews = context.connection.pages("/reviews", limit=1000, state="approved")
    wanted = (service["name"], service["spec"]["environment"])
    return any((review["service"], review["environment"]) == wanted for review in reviews)

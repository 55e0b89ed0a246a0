"""What the model behind a service says about itself."""

from __future__ import annotations

from typing import Any

from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.model import RevisionState, Service
from tidemill.serving.source import ModelSource


def live_document(site: Site, source: ModelSource, service: Service) -> dict[str, Any]:
    """The `model.json` of the live revision; `NotFound` while there is none, `NotProven` when no gate let it in."""
    with site.database.read() as connection:
        revisions = store.revisions_of(connection, service.namespace_id, service.id)
    live = next((each for each in revisions if each.state is RevisionState.LIVE), None)
    if live is None:
        raise NotFound(
            f"the service {service.name} has no live revision: {service.message or service.reason.value}",
            remedy="tidemill service show tells what is missing",
        )
    return source.document(source.proven(service, live.model_version_id))

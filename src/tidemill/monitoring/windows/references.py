"""The verb reference_of: what the windows of a revision are held against."""

from __future__ import annotations

from typing import Any

from tidemill.base.errors import TidemillError
from tidemill.base.site import Site
from tidemill.monitoring.windows.inspect import Reference
from tidemill.registry import version_in
from tidemill.serving import Revision, Service
from tidemill.serving.source import ModelSource


def reference_of(site: Site, source: ModelSource, service: Service, revision: Revision) -> Reference:
    """What a revision is held against: the package that the gate proves, and the metrics that were approved."""
    try:
        document = source.document(source.proven(service, revision.model_version_id))
        metrics = version_in(site, service.namespace_id, revision.model_version_id).metrics
    except TidemillError as problem:
        return Reference(document=None, metrics={}, note=problem.message)
    kept: dict[str, Any] = {
        name: document[name] for name in ("signature", "columns", "reference_profile") if name in document
    }
    return Reference(document=kept if len(kept) == 3 else None, metrics=metrics)

"""Where a model version comes from."""

from __future__ import annotations

from typing import Any

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.registry.find import get_version


def trace_version(site: Site, actor: Actor, reference: str) -> dict[str, Any]:
    """A version's origin as JSON: run and its author, data versions, commit, lock, spec; the gate adds the decision."""
    version = get_version(site, actor, reference)
    return {
        "model_version": {
            "id": version.id,
            "label": version.label,
            "package_digest": version.package_digest,
            "author": version.author,
            "created_at": version.created_at.isoformat(),
        },
        "run": {"id": version.run_id, "author": version.run_author, "parameters": version.parameters},
        "metrics": version.metrics,
        "data_versions": version.data_versions,
        "code_commit": version.code_commit,
        "lock_digest": version.lock_digest,
        "spec_digest": version.spec_digest,
    }

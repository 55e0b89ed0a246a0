"""The seal of a model version: the site registered it just so, from a run that proved."""

from __future__ import annotations

from tidemill.base.canonical import canonical_json, digest_json
from tidemill.base.errors import Forbidden
from tidemill.base.signing import PublicKey, SigningKey, is_sealed, seal
from tidemill.registry.model import ModelVersion


def version_digest(version: ModelVersion) -> str:
    """The digest of what a version claims about itself, so that none of it can be changed after an approval."""
    return digest_json(
        {
            "id": version.id,
            "namespace_id": version.namespace_id,
            "label": version.label,
            "package_digest": version.package_digest,
            "run_id": version.run_id,
            "lock_digest": version.lock_digest,
            "spec_digest": version.spec_digest,
            "signature": version.signature,
            "metrics": version.metrics,
            "parameters": version.parameters,
            "data_versions": version.data_versions,
            "code_commit": version.code_commit,
            "author": version.author,
            "run_author": version.run_author,
        }
    )


def seal_version(key: SigningKey, version: ModelVersion) -> str:
    """The seal of a version that is being registered."""
    return seal(key, _content(version))


def prove_version(key: PublicKey, version: ModelVersion) -> None:
    """Raise `Forbidden` unless a version is what the site registered."""
    if not is_sealed(key, _content(version), version.seal):
        raise Forbidden(
            f"{version.label} is not what was registered",
            place=f"model version {version.id}",
            remedy="somebody changed the database: restore it from a backup, or register the run again",
        )


def _content(version: ModelVersion) -> bytes:
    return canonical_json({"schema_version": 1, "sealed": "model version", "digest": version_digest(version)})

"""The package of a model version: its bytes, its lock, its venv."""

from __future__ import annotations

from typing import Any

from tidemill.artifacts import Content, ContentKind, blob_store, read_bytes
from tidemill.base.canonical import parse_json
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.locks import Lock, Venv, ensure_venv
from tidemill.registry.model import ModelVersion

LOCK_FILE = "lock.json"
MODEL_FILE = "model.json"


def package_content(site: Site, version: ModelVersion) -> Content:
    """The package folder of a version, to be materialized: its digest is checked then, file by file."""
    tree = Content(digest=version.package_digest, size_bytes=0, kind=ContentKind.TREE)
    size = sum(entry.size_bytes for entry in blob_store(site).entries(tree))
    return Content(digest=version.package_digest, size_bytes=size, kind=ContentKind.TREE)


def package_document(site: Site, version: ModelVersion, name: str = MODEL_FILE) -> dict[str, Any]:
    """A JSON file of the package (`model.json`, `lock.json`), checked against the package's digest.

    Raises `CorruptArtifact`, or `InvalidInput` when the package has no such file.
    """
    place = f"package of {version.label}, {name}"
    for entry in blob_store(site).entries(package_content(site, version)):
        if entry.path == name and entry.digest:
            content = Content(digest=entry.digest, size_bytes=entry.size_bytes, kind=ContentKind.FILE)
            document = parse_json(read_bytes(site, content), place=place)
            if isinstance(document, dict):
                return document
    raise InvalidInput("is not there or is no JSON object", place=place, remedy="register the model again")


def version_lock(site: Site, version: ModelVersion) -> Lock:
    """The lock that the package carries; `InvalidInput` when it is not the lock that the version names."""
    document = package_document(site, version, LOCK_FILE)
    found = Lock(
        text=str(document.get("text")),
        python_version=str(document.get("python_version")),
        platform=str(document.get("platform")),
    )
    if found.digest != version.lock_digest:
        raise InvalidInput(
            f"holds the lock {found.digest}, the version names {version.lock_digest}",
            place=f"package of {version.label}, {LOCK_FILE}",
        )
    return found


def version_venv(site: Site, version: ModelVersion) -> Venv:
    """The virtual environment that the model was made in, made here when it is missing."""
    return ensure_venv(site, version_lock(site, version))


def lock_document(lock: Lock) -> dict[str, Any]:
    """A lock as the package carries it; where packages were looked up is no part of it."""
    return {
        "schema_version": 1,
        "digest": lock.digest,
        "text": lock.text,
        "python_version": lock.python_version,
        "platform": lock.platform,
    }

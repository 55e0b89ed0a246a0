"""What differs between two model versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.registry.find import get_version
from tidemill.registry.model import ModelVersion, VersionDifference

V = TypeVar("V")


def diff_versions(site: Site, actor: Actor, old: str, new: str) -> VersionDifference:
    """Compare two versions, each named as for `get_version`, of one model or of two."""
    return difference(get_version(site, actor, old), get_version(site, actor, new))


def difference(old: ModelVersion, new: ModelVersion) -> VersionDifference:
    """Parameters, metrics, data versions, lock, spec and commit where the two are not equal."""
    return VersionDifference(
        old=old.label,
        new=new.label,
        parameters=_changed(old.parameters, new.parameters),
        metrics=_changed(old.metrics, new.metrics),
        data_versions=_changed(old.data_versions, new.data_versions),
        lock_digest=None if old.lock_digest == new.lock_digest else (old.lock_digest, new.lock_digest),
        spec_digest=None if old.spec_digest == new.spec_digest else (old.spec_digest, new.spec_digest),
        code_commit=None if old.code_commit == new.code_commit else (old.code_commit, new.code_commit),
    )


def _changed(old: Mapping[str, V], new: Mapping[str, V]) -> dict[str, tuple[V | None, V | None]]:
    return {
        name: (old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if (name in old) != (name in new) or old.get(name) != new.get(name)
    }

"""The digest of a pipeline: canonical JSON of its spec and its platform document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.base.canonical import digest_json


def spec_digest(spec: Mapping[str, Any], platform: Mapping[str, Any] | None = None) -> str:
    """`sha256:` of the spec alone, or of spec and platform document together; the order of keys does not count."""
    if platform is None:
        return digest_json(spec)
    return digest_json({"platform": platform, "spec": spec})

"""The nouns of artifacts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class ContentKind(StrEnum):
    """What a digest names."""

    FILE = "file"  # the bytes of one file
    TREE = "tree"  # a folder: the digest is that of its canonical manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes in the store: `digest` is `sha256:<hex>`, `size_bytes` the sum over all files."""

    digest: str
    size_bytes: int
    kind: ContentKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArtifact:
    """An artifact to record; `content` is None when there is only metadata, or when `uri` points elsewhere.

    `type` is KFP's schema title (`system.Dataset`); `attempt_id` names the attempt that made it.
    """

    name: str
    type: str
    type_version: str = "0.0.1"
    content: Content | None = None
    uri: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    task_id: str | None = None
    attempt_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something a task made, or that was brought in; it never changes."""

    id: str
    namespace_id: str
    name: str
    type: str
    type_version: str
    content: Content | None
    uri: str
    metadata: dict[str, Any]
    run_id: str | None
    task_id: str | None
    attempt_id: str | None
    created_by: str
    created_at: datetime

    @property
    def digest(self) -> str | None:
        """The digest of the content, None when there is none in the store."""
        return None if self.content is None else self.content.digest


class Direction(StrEnum):
    """On which side of a task an artifact stands."""

    INPUT = "input"  # the task read it
    OUTPUT = "output"  # the task made it, or would have made it: a cached task's outputs are edges to the first maker's


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A task used or made an artifact, under the name `port`; `position` counts the items of a list from 0."""

    run_id: str
    task_id: str
    artifact_id: str
    direction: Direction
    port: str
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """An artifact, the artifacts its maker read, and every edge that names it."""

    artifact: Artifact
    sources: tuple[Artifact, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some items and the opaque token of the next page, None at the end."""

    items: list[Item]
    next_page_token: str | None

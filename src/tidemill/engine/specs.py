"""Stored pipeline specs: one row per digest and namespace, read back as the very pipeline that was submitted."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import Connection, insert, select

from tidemill.base.errors import Forbidden, NotFound
from tidemill.engine.store import spec_rows
from tidemill.pipelines import Pipeline, load_pipeline


def spec_text(pipeline: Pipeline) -> str:
    """The spec (and its PlatformSpec) as YAML documents that are JSON inside."""
    documents = [json.dumps(pipeline.raw, ensure_ascii=False)]
    if pipeline.platform is not None:
        documents.append(json.dumps(pipeline.platform, ensure_ascii=False))
    return "\n---\n".join(documents)


def keep_spec(connection: Connection, pipeline: Pipeline, *, namespace_id: str, created_by: str, now: datetime) -> None:
    """Store the spec unless it is there, in the caller's transaction."""
    known = select(spec_rows.c.digest).where(
        spec_rows.c.namespace_id == namespace_id, spec_rows.c.digest == pipeline.digest
    )
    if connection.execute(known).first() is None:
        connection.execute(
            insert(spec_rows).values(
                namespace_id=namespace_id,
                digest=pipeline.digest,
                text=spec_text(pipeline),
                created_by=created_by,
                created_at=now,
            )
        )


def read_spec(connection: Connection, digest: str, *, namespace_id: str) -> str:
    """The text of a stored spec; `NotFound`."""
    query = select(spec_rows.c.text).where(spec_rows.c.namespace_id == namespace_id, spec_rows.c.digest == digest)
    text = connection.execute(query).scalar_one_or_none()
    if text is None:
        raise NotFound("there is no pipeline spec of this digest", place=digest)
    return str(text)


class SpecCache:
    """Pipelines loaded from stored specs, the last few kept: a worker meets the same spec again and again."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._loaded: dict[str, Pipeline] = {}

    def load(self, text: str, digest: str) -> Pipeline:
        """The pipeline of a stored text; `Forbidden` when the text is not that of the digest."""
        found = self._loaded.pop(digest, None) or load_pipeline(text, place=digest)
        if found.digest != digest:
            raise Forbidden(
                f"the stored spec is another one, {found.digest}",
                place=digest,
                remedy="somebody changed the database: restore it from a backup, or run the pipeline again",
            )
        self._loaded[digest] = found
        if len(self._loaded) > self._size:
            del self._loaded[next(iter(self._loaded))]
        return found

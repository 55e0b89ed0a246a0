"""Tables of a run that never was, and their questions answered without a process."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import pyarrow
import pyarrow.parquet

from tidemill.artifacts import Artifact, ingest_bytes
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.tables.ask import answered
from tidemill.tables.compute import answer


def answered_here(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the process apart would answer, over the same JSON."""
    return answered(json.loads(json.dumps(answer(json.loads(json.dumps(asked))), allow_nan=False)))


class Outputs:
    """Artifacts of a run that never was."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.artifacts: dict[str, Artifact] = {}

    def artifact(self, reference: str) -> Artifact:
        if reference not in self.artifacts:
            raise NotFound(f"the run has no {reference}")
        return self.artifacts[reference]

    def put(self, reference: str, data: bytes, **metadata: Any) -> None:
        """Add an artifact of these bytes."""
        self.artifacts[reference] = Artifact(
            id=self._site.ids.new(),
            namespace_id="n",
            name=reference,
            type="system.Dataset",
            type_version="0.0.1",
            content=ingest_bytes(self._site, data),
            uri="",
            metadata=metadata,
            run_id="r",
            task_id="t",
            attempt_id=None,
            created_by="alan",
            created_at=self._site.clock.now(),
        )

    def put_table(self, reference: str, columns: dict[str, list[Any]], *, index: bool = False) -> None:
        """Add a Parquet artifact, as pandas writes it: with its index as a column."""
        table = pyarrow.table(columns)
        if index:
            numbers = pyarrow.array([hash(reference) % 1000 + row for row in range(table.num_rows)])
            table = table.append_column("__index_level_0__", numbers)
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table, buffer)
        self.put(reference, buffer.getvalue())

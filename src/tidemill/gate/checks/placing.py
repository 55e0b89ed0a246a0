"""Tables of a run put where a process apart can read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidemill.artifacts import materialize
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.gate.checks.contract import RunOutputs


class Desk:
    """A folder with private copies of tables, each checked against its digest and made once."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._site = site
        self._placed: dict[str, Path] = {}
        self.folder = folder

    def place(self, outputs: RunOutputs, entry: str) -> dict[str, Any]:
        """Where an entry of the policy lies, `task.output` or several side by side as `task.a + task.b`.

        Raises `InvalidInput` naming what has nothing in the store, `NotFound`, `CorruptArtifact`.
        """
        references = [reference.strip() for reference in entry.split("+")]
        if not all(references):
            raise InvalidInput(f"{entry!r} names no table", place="hygiene", remedy="write TASK.OUTPUT + TASK.OUTPUT")
        parts = [{"name": each, "path": str(self._copy(outputs, each))} for each in references]
        return {"name": entry, "parts": parts}

    def _copy(self, outputs: RunOutputs, reference: str) -> Path:
        content = outputs.artifact(reference).content
        if content is None:
            raise InvalidInput("has no content in the store", place=reference)
        if content.digest not in self._placed:
            path = self.folder / f"table-{len(self._placed)}"
            materialize(self._site, content, path)
            self._placed[content.digest] = path
        return self._placed[content.digest]

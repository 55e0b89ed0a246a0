"""What a data scientist does to a notebook: another text in a cell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tidemill.base.errors import NotFound


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook whose cells are found by a tag."""

    path: Path

    def rewrite(self, tag: str, text: str) -> None:
        """Put a text in place of what a cell has."""
        self._edit(tag, lambda _: text)

    def replace(self, tag: str, old: str, new: str) -> None:
        """Put some words of a cell in place of others."""
        self._edit(tag, lambda text: text.replace(old, new))

    def _edit(self, tag: str, change: Callable[[str], str]) -> None:
        document = json.loads(self.path.read_text(encoding="utf-8"))
        for cell in document["cells"]:
            if tag in cell.get("metadata", {}).get("tags", []):
                cell["source"] = change("".join(cell["source"]))
                self.path.write_text(json.dumps(document, indent=1), encoding="utf-8")
                return
        raise NotFound(f"no cell has the tag {tag}", place=str(self.path))

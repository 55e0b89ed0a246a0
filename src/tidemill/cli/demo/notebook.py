"""What a data scientist does to a notebook: another text in a cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tidemill.base.errors import NotFound


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook whose cells are found by a tag."""

    path: Path

    def rewrite(self, tag: str, text: str) -> None:
        """Put a text in place of what a cell has."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        for cell in document["cells"]:
            if tag in cell.get("metadata", {}).get("tags", []):
                cell["source"] = text
                self.path.write_text(json.dumps(document, indent=1), encoding="utf-8")
                return
        raise NotFound(f"no cell has the tag {tag}", place=str(self.path))

    def replace(self, tag: str, old: str, new: str) -> None:
        """Put some words of a cell in place of others."""
        self.rewrite(tag, self.text(tag).replace(old, new))

    def text(self, tag: str) -> str:
        """What a cell has."""
        document = json.loads(self.path.read_text(encoding="utf-8"))
        cells = [cell for cell in document["cells"] if tag in cell.get("metadata", {}).get("tags", [])]
        if not cells:
            raise NotFound(f"no cell has the tag {tag}", place=str(self.path))
        return "".join(cells[0]["source"])

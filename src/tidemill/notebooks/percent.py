"""Reading percent-format scripts, as Jupytext and editors write them: `# %% tags=["step:train"]`."""

from __future__ import annotations

import ast
import re

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.model import Cell, Notebook

_MARKER = re.compile(r"^#\s*%%(?P<rest>.*)$")
_KIND = re.compile(r"\[(?P<kind>markdown|md|raw|code)\]")
_TAGS = re.compile(r"\btags\s*=\s*(?P<list>\[[^\]]*\])")
_MAGIC = re.compile(r"^# ?(?P<magic>%{1,2}[A-Za-z].*|![^!\s=].*)$")


def read_percent(text: str, *, file_name: str) -> Notebook:
    """Cut a script at its `# %%` lines; what stands before the first one (header comments) is a cell if it has code.

    Raises `InvalidInput` for a script without a marker, or with tags that are no list of texts.
    """
    lines = text.split("\n")
    markers = [index for index, line in enumerate(lines) if _MARKER.match(line)]
    if not markers:
        raise InvalidInput(
            "has no cells", place=file_name, remedy='begin each cell with a line such as # %% tags=["step:train"]'
        )
    cells: list[Cell] = []
    head = "\n".join(lines[: markers[0]]).strip("\n")
    if _has_code(head):
        cells.append(Cell(number=1, source=head))
    for start, end in zip(markers, [*markers[1:], len(lines)], strict=True):
        header = lines[start]
        kind = _KIND.search(header)
        if kind is not None and kind["kind"] != "code":
            continue
        source = "\n".join(_uncomment(line) for line in lines[start + 1 : end]).strip("\n")
        tags = _tags(header, f"{file_name}, line {start + 1}")
        cells.append(Cell(number=len(cells) + 1, source=source, tags=tags))
    return Notebook(file_name=file_name, cells=tuple(cells))


def _has_code(text: str) -> bool:
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.split("\n"))


def _uncomment(line: str) -> str:
    """Jupytext comments magics out, so that the script stays valid Python."""
    found = _MAGIC.match(line)
    return found["magic"] if found else line


def _tags(header: str, place: str) -> tuple[str, ...]:
    found = _TAGS.search(header)
    if found is None:
        return ()
    try:
        tags = ast.literal_eval(found["list"])
    except (ValueError, SyntaxError) as problem:
        raise InvalidInput(f"these tags are no list: {found['list']}", place=place) from problem
    if not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("tags are texts in quotes", place=place)
    return tuple(tag.strip() for tag in tags)

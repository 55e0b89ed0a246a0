"""Reading a notebook file: nbformat 4 JSON, or a percent-format script."""

from __future__ import annotations

from pathlib import Path

from tidemill.base.canonical import parse_json
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.notebooks.model import Cell, Notebook
from tidemill.notebooks.percent import read_percent

OLDEST_NBFORMAT = 4


def read_notebook(path: Path) -> Notebook:
    """Read an `.ipynb` of nbformat 4 or a `.py` in percent format.

    Raises `NotFound` when there is no such file and `InvalidInput` when it is not a notebook.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as problem:
        raise NotFound("there is no such notebook", place=str(path), remedy="check the path") from problem
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", place=str(path)) from problem
    if not data.strip():
        raise InvalidInput("is empty", place=str(path), remedy="save the notebook in Jupyter first")
    if path.suffix == ".py":
        return read_percent(_decode(data, path), file_name=path.name)
    if path.suffix != ".ipynb":
        raise InvalidInput("is not a notebook", place=str(path), remedy="give an .ipynb, or a .py in percent format")
    return _from_json(data, path)


def _decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as problem:
        raise InvalidInput(
            f"not UTF-8 at byte {problem.start}", place=str(path), remedy="save it as UTF-8"
        ) from problem


def _from_json(data: bytes, path: Path) -> Notebook:
    document = parse_json(_decode(data, path), place=str(path))
    if not isinstance(document, dict) or not isinstance(document.get("cells"), list):
        version = document.get("nbformat") if isinstance(document, dict) else None
        remedy = "save it again with a current Jupyter" if version in (1, 2, 3) else "give a Jupyter notebook"
        raise InvalidInput("has no list of cells, so it is not a notebook of format 4", place=str(path), remedy=remedy)
    if document.get("nbformat") != OLDEST_NBFORMAT:
        raise InvalidInput(
            f"is of notebook format {document.get('nbformat')!r}; format 4 is read here",
            place=str(path),
            remedy="save it again with a current Jupyter",
        )
    metadata = document.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidInput("metadata is not an object", place=str(path))
    _refuse_other_languages(metadata, path)
    cells: list[Cell] = []
    for index, raw in enumerate(document["cells"], start=1):
        kind = raw.get("cell_type") if isinstance(raw, dict) else None
        if kind not in ("code", "markdown", "raw"):
            raise InvalidInput(f"item {index} of cells is of no known type ({kind!r})", place=str(path))
        if kind == "code":
            cells.append(_cell(raw, len(cells) + 1, path))
    return Notebook(file_name=path.name, cells=tuple(cells), metadata=metadata)


def _refuse_other_languages(metadata: dict[str, object], path: Path) -> None:
    kernel = metadata.get("kernelspec")
    language = kernel.get("language", "python") if isinstance(kernel, dict) else "python"
    if str(language).lower() != "python":
        raise InvalidInput(f"is written in {language}", place=str(path), remedy="only Python notebooks compile")


def _cell(raw: dict[str, object], number: int, path: Path) -> Cell:
    source = raw.get("source", "")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    place = f"{path.name}, cell {number}"
    if not isinstance(source, str):
        raise InvalidInput("its source is no text", place=place)
    metadata = raw.get("metadata", {})
    tags = metadata.get("tags", []) if isinstance(metadata, dict) else None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidInput("its tags are no list of texts", place=place)
    return Cell(number=number, source=source, tags=tuple(tag.strip() for tag in tags))

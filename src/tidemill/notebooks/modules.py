"""Modules beside the notebook that it imports: their source travels with the steps."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.outline import Outline

MAX_BYTES = 4 * 1024 * 1024
_SKIPPED = frozenset({"__pycache__", ".ipynb_checkpoints"})


def imports_of(outline: Outline) -> dict[str, tuple[int, int]]:
    """Every module that the cells import, dotted, with the cell and line of its first import."""
    found: dict[str, tuple[int, int]] = {}
    cells = [*outline.prelude, *outline.parameters, *(cell for step in outline.steps for cell in step.cells)]
    for prepared in sorted(cells, key=lambda cell: cell.cell.number):
        for module, line in _imported(prepared.tree):
            found.setdefault(module, (prepared.cell.number, line))
    return found


def _imported(tree: ast.AST) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [(f"{node.module}.{alias.name}" if _is_namespace(node.module) else node.module, node.lineno)
                      for alias in node.names]  # fmt: skip
    return found


def _is_namespace(module: str) -> bool:
    return module in ("google", "google.cloud")


def local_modules(folder: Path, imports: dict[str, tuple[int, int]], outline: Outline) -> dict[str, str]:
    """Source by relative path of every module beside the notebook that it imports, and of those that these import.

    Raises `InvalidInput` when one cannot be parsed or they are too large together.
    """
    found: dict[str, str] = {}
    waiting = [(module.partition(".")[0], place) for module, place in imports.items()]
    while waiting:
        top, (cell, line) = waiting.pop()
        for path in _files(folder, top):
            relative = path.relative_to(folder).as_posix()
            if relative in found:
                continue
            place = outline.notebook.place(cell, line)
            text = _read(path, place)
            found[relative] = text
            waiting += [(module.partition(".")[0], (cell, line)) for module, _ in _imported(_parse(path, text))]
    if sum(len(text) for text in found.values()) > MAX_BYTES:
        raise InvalidInput(
            f"the modules beside it are larger than {MAX_BYTES} bytes together",
            place=outline.notebook.file_name,
            remedy="make a package of them and require it",
        )
    return dict(sorted(found.items()))


def _files(folder: Path, top: str) -> list[Path]:
    if not re.fullmatch(r"[^\W\d]\w*", top):
        return []
    single = folder / f"{top}.py"
    if single.is_file():
        return [single]
    package = folder / top
    if not package.is_dir() or not any(package.glob("*.py")):
        return []
    return sorted(path for path in package.rglob("*.py") if not _SKIPPED & set(path.parts))


def _read(path: Path, place: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise InvalidInput(f"the module {path.name} cannot be read: {problem}", place=place) from problem


def _parse(path: Path, text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError) as problem:
        line = getattr(problem, "lineno", None) or 1
        raise InvalidInput(
            f"cannot be parsed: {problem}", place=f"{path.name}, line {line}", remedy="correct the module"
        ) from problem

"""Which cells belong in one step because of what no variable shows: open handles, the current figure, shell lines."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidemill.notebooks.flow import FlowRecorder, Outside
from tidemill.notebooks.magics import PreparedCell, magic_call
from tidemill.notebooks.model import Notebook
from tidemill.notebooks.walk import FIGURE_MAKERS, walk
from tidemill.notebooks.word_list import words

FINISHERS = words(
    """
    title suptitle xlabel ylabel legend show savefig xlim ylim xticks yticks grid tight_layout colorbar annotate text
    gca gcf sca axis axhline axvline axhspan axvspan subplots_adjust clim cla clf sci
    """
)
"""Functions of pyplot that go on with the current figure; the drawing ones begin a new one where there is none."""

_NO_DRAWING = words("ion ioff isinteractive close switch_backend rc rcdefaults rc_context set_loglevel get_cmap")
_HARMLESS = re.compile(r"(ls|pwd|echo|nvidia-smi|which|date|df|free|uname|whoami|(python3?|git) --version)\b[^>|&;]*")
_INSTALL = re.compile(r"(python3? -m )?(pip3?|conda|mamba|uv pip) ")
_WORD = re.compile(r"[\w./~-]*[./][\w./-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """All cells from the first to the last stay in one step, for this reason."""

    first: int
    last: int
    reason: str


def bonds_of(cells: Sequence[PreparedCell], notebook: Notebook) -> list[Bond]:
    """What keeps cells together, by their numbers."""
    return [*_handles(cells, notebook), *_figures(cells), *_shell(cells)]


def _handles(cells: Sequence[PreparedCell], notebook: Notebook) -> Iterator[Bond]:
    """An open file, a generator, a connection, and the cells that use it."""
    holders: dict[str, int] = {}
    for prepared in cells:
        walked = walk([prepared], FlowRecorder(Outside()), notebook)
        number = prepared.cell.number
        replaced = set(walked.recorder.defined) - set(walked.recorder.uses)
        for name in sorted(_loaded(prepared.tree) - replaced):
            if name in holders:
                reason = f"`{name}` is an open handle or a generator, which cannot go to another process"
                yield Bond(first=holders[name], last=number, reason=reason)
        for name in walked.recorder.defined:
            holders.pop(name, None)
        holders |= dict.fromkeys(walked.opened, number)


def _loaded(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def _figures(cells: Sequence[PreparedCell]) -> Iterator[Bond]:
    """pyplot's current figure, when a cell goes on with what one above it drew."""
    aliases = _pyplot_names(cells)
    stays_open = any("close_figures" in c.cell.source or _is_live(c) for c in cells)
    current: int | None = None
    for prepared in cells:
        number = prepared.cell.number
        for function in _calls_in_order(prepared.tree, aliases):
            carries_on = function in FINISHERS or (stays_open and function not in FIGURE_MAKERS)
            if current is not None and current != number and carries_on:
                yield Bond(first=current, last=number, reason="they draw on one figure, matplotlib's current one")
            current = None if function == "show" else number


def _is_live(prepared: PreparedCell) -> bool:
    """`%matplotlib widget` and its like keep a figure open from cell to cell; inline ones end with their cell."""
    found = re.search(r"^%matplotlib[ \t]+(\w+)", prepared.cell.source, re.MULTILINE)
    return found is not None and found[1] not in ("inline", "agg")


def _pyplot_names(cells: Iterable[PreparedCell]) -> set[str]:
    found: set[str] = set()
    for prepared in cells:
        for node in ast.walk(prepared.tree):
            if isinstance(node, ast.Import):
                found |= {a.asname for a in node.names if a.name in ("matplotlib.pyplot", "pylab") and a.asname}
            elif isinstance(node, ast.ImportFrom) and node.module == "matplotlib":
                found |= {a.asname or a.name for a in node.names if a.name == "pyplot"}
    return found


def _calls_in_order(tree: ast.Module, aliases: set[str]) -> list[str]:
    """The functions of pyplot that a cell calls itself, as they stand in it."""
    calls: list[tuple[int, int, str]] = []
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            function = node.func if isinstance(node, ast.Call) else None
            if (
                isinstance(function, ast.Attribute)
                and isinstance(function.value, ast.Name)
                and function.value.id in aliases
                and function.attr not in _NO_DRAWING
            ):
                calls.append((function.end_lineno or 0, function.end_col_offset or 0, function.attr))
    return [name for _, _, name in sorted(calls)]


def _shell(cells: Sequence[PreparedCell]) -> Iterator[Bond]:
    """A cell for the shell cannot be looked into: it stays with the next one, and with all that name its files."""
    for index, prepared in enumerate(cells):
        text = shell_text(prepared)
        if not text:
            continue
        number = prepared.cell.number
        reason = f"cell {number} is for the shell, and what it does to files cannot be seen"
        if index + 1 < len(cells):
            yield Bond(first=number, last=cells[index + 1].cell.number, reason=reason)
        files = files_in(text)
        for other in cells:
            if other is not prepared and _names_one(other.tree, files):
                first, last = sorted((number, other.cell.number))
                yield Bond(first=first, last=last, reason=reason)


def shell_text(prepared: PreparedCell) -> str:
    """What a cell gives to the shell; without installs, and without lines that only look."""
    found: list[str] = []
    for node in ast.walk(prepared.tree):
        method, name, line = magic_call(node) or ("", "", "")
        if method == "run_cell_magic" and isinstance(node, ast.Call):
            found += [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        elif (
            method in ("system", "getoutput") and not _HARMLESS.fullmatch(line.strip()) and not is_install(line)
        ) or name == "mkdir":
            found.append(line)
    return "\n".join(found)


def is_install(line: str) -> bool:
    """True for a shell line that installs packages: it becomes a requirement and is not run."""
    return _INSTALL.match(line.strip()) is not None


def files_in(text: str) -> set[str]:
    """Words of a shell text that may be files, each with its bare name."""
    found = {word.rstrip(".") for word in _WORD.findall(text)}
    return {name for word in found for name in (word, word.rpartition("/")[2]) if name}


def _names_one(tree: ast.AST, files: set[str]) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 1:
            if node.value in files or node.value.rpartition("/")[2] in files:
                return True
        elif any(f"{module}.py" in files for module in modules_of(node)):
            return True
    return False


def modules_of(node: ast.AST) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []

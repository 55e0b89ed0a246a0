"""Cells that are not plain Python: magics and shell lines, turned into calls that the step runtime knows."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import dataclass

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.model import Cell
from tidemill.notebooks.word_list import words

IGNORED = words(
    """
    matplotlib load_ext reload_ext unload_ext autoreload config precision who whos who_ls history hist pdb xmode colors
    automagic doctest_mode autosave timeit prun memit mprun lprun notebook pinfo pinfo2 psource pdoc page logstart
    connect_info lsmagic quickref
    """
)
"""Line magics that change nothing a later cell could see; they are not run in a step."""

RUN = frozenset({"time", "cd", "pwd", "env", "set_env", "sx", "system", "ls", "cat", "mkdir"})
INSTALL = frozenset({"pip", "conda", "mamba", "uv"})
BODY_MAGICS = frozenset({"time", "capture"})
SHELL_MAGICS = frozenset({"bash", "sh", "writefile", "script"})
SHOW_MAGICS = frozenset({"html", "markdown", "latex", "svg", "javascript", "js"})
_LINE_MAGIC = re.compile(r"^(?P<indent>\s*)(?P<kind>%|!)(?P<rest>(?![%!=]).*)$")
_CELL_MAGIC = re.compile(r"^%%(?P<name>\w+)[ \t]*(?P<line>.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCell:
    """A cell as Python: `code` has the cell's own lines, `tree` is its syntax, `capture` where `%%capture` put output.

    `installs` are requirements that the cell asked pip for; `ignored` magics that do nothing in a step.
    """

    cell: Cell
    code: str
    tree: ast.Module
    capture: str | None = None
    installs: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def prepare(cell: Cell, *, place: str) -> PreparedCell:
    """Parse a cell; raises `InvalidInput` with the line for a syntax error or a magic that cannot be kept."""
    source = cell.source
    first = next((line for line in source.split("\n") if line.strip()), "")
    magic = _CELL_MAGIC.match(first)
    if magic is not None:
        return _cell_magic(cell, magic, place)
    tree = _parse(source)
    code = source
    if tree is None:
        code = _transform(source, place)
        tree = _parse(code)
    if tree is None:
        raise _syntax_error(code, place)
    return _checked(cell, code, tree, place)


def _parse(code: str) -> ast.Module | None:
    try:
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree: ast.Module = compile(code, "<cell>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return tree


def _syntax_error(code: str, place: str) -> InvalidInput:
    try:
        ast.parse(code)
    except SyntaxError as problem:
        text = f": {problem.text.strip()}" if problem.text else ""
        return InvalidInput(
            f"{problem.msg}{text}", place=f"{place}, line {problem.lineno or 1}", remedy="correct the cell"
        )
    except ValueError as problem:
        return InvalidInput(str(problem), place=place)
    return InvalidInput("cannot be parsed", place=place)


def _transform(source: str, place: str) -> str:
    """Magics become calls: plain lines here, everything else by IPython's own transformer."""
    lines = source.split("\n")
    for index, line in enumerate(lines):
        found = _LINE_MAGIC.match(line)
        if found is None or not _statement_starts(lines[:index]):
            continue
        lines[index] = found["indent"] + _call_of(found["kind"], found["rest"].strip())
    simple = "\n".join(lines)
    return simple if _parse(simple) is not None else _by_ipython(source)


def _statement_starts(before: list[str]) -> bool:
    text = "\n".join(before).rstrip()
    return _parse(text) is not None or (text.endswith(":") and _parse(text + " pass") is not None)


def _call_of(kind: str, rest: str) -> str:
    if kind == "!":
        return f"get_ipython().system({rest!r})"
    name, _, arguments = rest.partition(" ")
    return f"get_ipython().run_line_magic({name!r}, {arguments.strip()!r})"


def _by_ipython(source: str) -> str:
    # lazy: IPython takes 0.2 s to import, and few notebooks need it
    from IPython.core.inputtransformer2 import TransformerManager

    leading = len(source) - len(source.lstrip("\n"))
    try:
        text = str(TransformerManager().transform_cell(source)).rstrip("\n")
    except SyntaxError:
        return source
    return "\n" * leading + text


def _cell_magic(cell: Cell, magic: re.Match[str], place: str) -> PreparedCell:
    name, line = magic["name"], magic["line"].strip()
    head, _, body = cell.source.partition(magic[0])
    if name in BODY_MAGICS:
        inner = prepare(Cell(number=cell.number, source=head + body), place=place)
        capture = _capture_name(line) if name == "capture" else None
        return PreparedCell(
            cell=cell, code=inner.code, tree=inner.tree, capture=capture, installs=inner.installs, ignored=inner.ignored
        )
    if name in SHELL_MAGICS:
        code = f"get_ipython().run_cell_magic({name!r}, {line!r}, {body.lstrip(chr(10))!r})"
        return PreparedCell(cell=cell, code=code, tree=ast.parse(code))
    if name in SHOW_MAGICS or name in IGNORED:
        return PreparedCell(cell=cell, code="", tree=ast.parse(""), ignored=(f"%%{name}",))
    raise _refused(f"%%{name}", f"{place}, line 1")


def _capture_name(line: str) -> str | None:
    names = [part for part in line.split() if not part.startswith("-")]
    return names[0] if names else ""


def _refused(magic: str, place: str) -> InvalidInput:
    return InvalidInput(
        f"the magic {magic} cannot run in a step", place=place, remedy="write it as plain Python, or tag the cell skip"
    )


def _checked(cell: Cell, code: str, tree: ast.Module, place: str) -> PreparedCell:
    installs: list[str] = []
    ignored: list[str] = []
    for node in ast.walk(tree):
        magic = magic_call(node)
        if magic is None:
            continue
        kind, name, line = magic
        where = f"{place}, line {getattr(node, 'lineno', 1)}"
        if kind == "run_line_magic" and name in INSTALL:
            installs += _packages(line.split()[1:] if line.startswith("install") else [], where)
        elif kind == "system" and re.match(r"(python3? -m )?(pip3?|conda|uv pip) install\b", line):
            installs += _packages(shlex.split(line.split("install", 1)[1], comments=True), where)
        elif kind == "run_line_magic" and name in IGNORED:
            ignored.append(f"%{name}")
        elif kind == "run_line_magic" and name not in RUN:
            raise _refused(f"%{name}", where)
    return PreparedCell(cell=cell, code=code, tree=tree, installs=tuple(installs), ignored=tuple(ignored))


def _packages(words: list[str], place: str) -> list[str]:
    packages = [word for word in words if not word.startswith("-")]
    for word in packages:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[^\]]*\])?([<>=!~].*)?", word):
            raise InvalidInput(f"{word!r} is no requirement", place=place, remedy="name packages and versions")
    return packages


def magic_call(node: ast.AST) -> tuple[str, str, str] | None:
    """(method, magic's name, its line) for a call on `get_ipython()` as IPython writes it, else None."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    base = node.func.value
    if not (isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "get_ipython"):
        return None
    words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if node.func.attr in ("system", "getoutput", "getoutput_") and len(words) == 1:
        return node.func.attr, "", words[0]
    if node.func.attr in ("run_line_magic", "run_cell_magic") and len(words) >= 2:
        return node.func.attr, words[0], words[1]
    return None

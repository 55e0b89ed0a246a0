"""The tail caps of the house style: the worst file, function, class and signature decide."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
MADE_BY_ALEMBIC = "/migrations/versions/"
SOURCES = sorted(path for path in (ROOT / "src").rglob("*.py") if MADE_BY_ALEMBIC not in path.as_posix())
FILE_LINES, FUNCTION_LINES, CLASS_METHODS, ARGUMENTS = 400, 40, 15, 6
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "misc", "util", "helper"}

EXCEPTIONS: dict[str, str] = {
    "src/tidemill/base/events.py:append_event": "the fields of an event, all by keyword: a noun would only rename them",
}
"""`path` or `path:name` → why it may pass a soft cap; the hard ones (600 lines, 70 lines) hold for these too."""


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{child.name}", child
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}{child.name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(tree, "")


def _own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function, without its docstring and without those of the functions inside it."""
    inner = [
        n for n in ast.walk(function) if n is not function and isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lines = set(range(function.lineno, (function.end_lineno or 0) + 1))
    for nested in inner:
        first = min([nested.lineno, *[each.lineno for each in nested.decorator_list]])
        lines -= set(range(first, (nested.end_lineno or 0) + 1))
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= set(range(text.lineno, (text.end_lineno or 0) + 1))
    return len(lines)


@cache
def _lengths(path: Path) -> dict[str, int]:
    """The own lines of each function of a file; of those of one name the most."""
    found: dict[str, int] = {}
    for name, function in _functions(ast.parse(path.read_text())):
        found[name] = max(_own_lines(function), found.get(name, 0))
    return found


@cache
def _violations(path: Path) -> list[tuple[str, str]]:
    name = path.relative_to(ROOT).as_posix()
    text = path.read_text()
    tree = ast.parse(text)
    found: list[tuple[str, str]] = []
    count = len(text.splitlines())
    if count > FILE_LINES:
        found.append((name, f"{count} lines"))
    if ast.get_docstring(tree) is None:
        found.append((name, "no module docstring"))
    for function_name, function in _functions(tree):
        place = f"{name}:{function_name}"
        if _lengths(path)[function_name] > FUNCTION_LINES:
            found.append((place, f"{_lengths(path)[function_name]} lines"))
        arguments = function.args
        taken = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        # a typer command's signature is its table of options, not a call that somebody reads
        is_command = "/cli/" in name
        if len([a for a in taken if a not in {"self", "cls"}]) > ARGUMENTS and not is_command:
            found.append((place, f"{len(taken)} arguments"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            # the names of an ast.NodeVisitor's methods are the library's, one for each kind of node
            own = [m.name for m in node.body if isinstance(m, ast.FunctionDef)]
            methods = [name for name in own if not name.startswith(("_", "visit_"))]
            if len(methods) > CLASS_METHODS:
                found.append((f"{name}:{node.name}", f"{len(methods)} public methods"))
    return found


def _all() -> list[tuple[str, str]]:
    return [violation for path in SOURCES for violation in _violations(path)]


def test_no_file_function_class_or_signature_passes_its_cap() -> None:
    beyond = [f"{place}: {what}" for place, what in _all() if place not in EXCEPTIONS]
    assert beyond == []


def test_every_exception_is_still_needed() -> None:
    assert sorted(EXCEPTIONS) == sorted({place for place, _ in _all()} & set(EXCEPTIONS))


def test_the_hard_caps_hold_for_exceptions_too() -> None:
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 600, path
        for name, lines in _lengths(path).items():
            assert lines <= 70, f"{path}:{name}"


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path: {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} for path in SOURCES}
    assert [path.as_posix() for path in SOURCES if FORBIDDEN_NAMES & names[path]] == []


def test_a_public_face_is_short_and_leaves_routes_and_tables_alone() -> None:
    for path in SOURCES:
        if path.name != "__init__.py":
            continue
        lines = path.read_text().splitlines()
        assert len(lines) <= 40, path
        assert not [line for line in lines if "import" in line and (".api" in line or ".store" in line)], path

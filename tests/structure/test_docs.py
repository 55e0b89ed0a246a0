"""The pages name what exists: commands and their options, settings, routes, files, links; and nothing else."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from fastapi import FastAPI
from fastapi.routing import APIRoute

from tidemill.base.settings import SETTINGS
from tidemill.cli.app import build
from tidemill.platform import Platform
from tidemill.server.app import create_app

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
TREES = ("benchmarks", "docs", "examples", "scripts", "src", "tests")
PAGES = sorted([*ROOT.glob("*.md"), *(page for tree in TREES for page in (ROOT / tree).rglob("*.md"))])
GUIDES = [page for page in PAGES if page.parent.name != "reference" or page.name == "notebook-tags.md"]
PROSE_AFTER_TIDEMILL = {"cannot", "compiled", "compiles", "has", "in", "is", "or", "runs", "takes", "works"}

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_FILE = re.compile(
    r"(?:[\w.-]+/)*[\w.-]+\.(?:py|md|sh)|(?:benchmarks|docs|examples|requirements|scripts|src|tests)/[\w./-]*"
)
_INNER_COMMAND = re.compile(r"\$\((tidemill [^)]*)\)")


def ids(page: Path) -> str:
    """A page by its path."""
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return _BLOCK.sub("", page.read_text())


@cache
def root_command() -> Any:
    """The command tree as click sees it."""
    return typer.main.get_command(build())


def leaves(command: Any, path: tuple[str, ...] = ("tidemill",)) -> Iterator[tuple[str, ...]]:
    """The full names of all commands that do something."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
        return
    for name, each in inner.items():
        yield from leaves(each, (*path, name))


def named_commands(page: Path) -> Iterator[str]:
    """Each `tidemill ...` of a page: what its blocks run, and what stands between backticks."""
    for block in _BLOCK.finditer(page.read_text()):
        if block["language"] not in {"", "console", "sh", "bash"}:
            continue
        for line in block["body"].replace("\\\n", " ").splitlines():
            is_prompted = line.startswith("$ ")
            if is_prompted or block["language"] != "console":
                yield from _commands_of(line.removeprefix("$ "), is_prompted=is_prompted)
    for inline in _INLINE.finditer(prose(page)):
        yield from _commands_of(inline[1], is_prompted=False)


def _commands_of(line: str, *, is_prompted: bool) -> Iterator[str]:
    yield from _INNER_COMMAND.findall(line)
    for part in re.split(r"\s(?:&&|\|)\s", _INNER_COMMAND.sub("VALUE", line)):
        words = part.split()
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        is_command = bool(words) and (words[0] == "tidemill" or words[0].endswith("/bin/tidemill"))
        if is_command and (len(words) > 1 or is_prompted):
            yield part[part.index(words[0]) :]


def problem_of(line: str) -> str | None:
    """What is wrong with a command line, None when the command, its options and its arguments exist."""
    words = shlex.split(line, comments=True)[1:]
    command, context = root_command(), None
    while True:
        context = command.context_class(command, info_name=command.name, parent=context)
        try:
            _options, rest, _order = command.make_parser(context).parse_args(list(words))
        except Exception as problem:  # noqa: BLE001  (click's, or typer's own: any is the answer)
            return f"{line}: {problem}"
        inner = getattr(command, "commands", None)
        if inner is None:
            return f"{line}: too many arguments: {rest}" if rest else None
        if not rest or rest[0] in {"...", "…"}:
            return None
        if rest[0] not in inner:
            return f"{line}: there is no command {rest[0]!r}"
        command, words = inner[rest[0]], rest[1:]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The app, to look at."""
    platform = Platform(home=tmp_path_factory.mktemp("described") / "home")
    yield create_app(platform)
    platform.site.database.close()


def test_the_reference_is_what_the_code_says_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(ROOT / "scripts" / "new-reference")
    monkeypatch.setattr(sys, "argv", [script, "--check"])
    assert runpy.run_path(script)["main"]() == 0, capsys.readouterr()


def test_every_command_stands_in_the_reference() -> None:
    text = (REFERENCE / "commands.md").read_text()
    missing = [name for name in map(" ".join, leaves(root_command())) if f"\n## {name}\n" not in text]
    assert missing == []


def test_every_setting_stands_in_the_reference() -> None:
    text = (REFERENCE / "settings.md").read_text()
    assert [each.name for each in SETTINGS if f"| `{each.name}` | `{each.variable}` |" not in text] == []


def test_every_route_stands_in_the_reference(app: FastAPI) -> None:
    described = app.openapi()["paths"]
    text = (REFERENCE / "routes.md").read_text()
    rows = [f"| {method.upper()} | `{path}` |" for path, methods in described.items() for method in methods]
    assert rows
    assert [row for row in rows if row not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(prose(page)) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", GUIDES, ids=ids)
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    assert [found for line in named_commands(page) if (found := problem_of(line))] == []


@pytest.mark.parametrize("page", GUIDES, ids=ids)
def test_a_page_names_no_file_that_does_not_exist(page: Path) -> None:
    known = {path.name for tree in TREES for path in (ROOT / tree).rglob("*")} | {path.name for path in ROOT.iterdir()}
    inline = [word.rstrip(".,:") for code in _INLINE.findall(prose(page)) for word in code.split()]
    files = [word for word in inline if _FILE.fullmatch(word)]
    missing = [word for word in files if not (ROOT / word).exists() and ("/" in word or word not in known)]
    assert missing == []


@pytest.mark.parametrize("page", GUIDES, ids=ids)
def test_every_make_target_of_a_page_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)
    assert [target for target in named if target not in targets] == []


def test_every_command_that_a_message_names_exists() -> None:
    wrong: list[str] = []
    for path in sorted((ROOT / "src" / "tidemill").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                continue
            for first, second in re.findall(r"\btidemill ([a-z]+)(?: ([a-z]+))?", node.value):
                if first in PROSE_AFTER_TIDEMILL:
                    continue
                command = root_command().commands.get(first)
                verbs = getattr(command, "commands", None)
                if command is None or (verbs is not None and second and second not in verbs):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: tidemill {first} {second}")
    assert wrong == []


def test_a_word_stands_once_in_the_glossary() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    words = [word.strip() for row in rows[1:] for word in row.split(",")]
    assert len(words) > 10
    assert sorted(word for word in set(words) if words.count(word) > 1) == []


def test_every_how_to_stands_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [*(ROOT / "docs" / "how-to").glob("*.md"), *REFERENCE.glob("*.md")]
    assert [page.name for page in pages if f"({page.parent.name}/{page.name})" not in index] == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("tidemill fly", "no command 'fly'"),
        ("tidemill review aprove 5f0c2a7b9d11", "no command 'aprove'"),
        ("tidemill run --fast", "--fast"),
        ("tidemill down now", "now"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, complaint: str) -> None:
    assert complaint in (problem_of(line) or "")


def test_commands_are_found_in_blocks_prompts_and_prose(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Use `tidemill status` or `tidemill`.\n\n```console\n$ export A=$(tidemill token list)\nsaid\n"
        "$ TIDEMILL_TOKEN=$A tidemill up --detach\n```\n```python\ntidemill('no')\n```\n"
    )
    assert sorted(named_commands(page)) == ["tidemill status", "tidemill token list", "tidemill up --detach"]


def test_routes_are_all_described(app: FastAPI) -> None:
    hidden = [
        route.path
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith("/api/") and not route.include_in_schema
    ]
    assert hidden == []

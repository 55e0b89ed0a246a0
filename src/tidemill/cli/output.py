"""What commands print: tables that fit 80 columns, JSON on request, errors with a remedy."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill.base.errors import TidemillError

WIDTH = 80
_STATE_MARKS = {
    "SUCCEEDED": ("✔", "green"),
    "APPROVED": ("✔", "green"),
    "READY": ("✔", "green"),
    "DEGRADED": ("✘", "red"),
    "FAILED": ("✘", "red"),
    "REJECTED": ("✘", "red"),
    "RUNNING": ("●", "cyan"),
    "PENDING": ("○", "dim"),
    "OPEN": ("●", "cyan"),
    "SKIPPED": ("–", "dim"),
    "RAISED": ("✘", "red"),
    "RESOLVED": ("✔", "green"),
    "LAPSED": ("–", "dim"),
    "CANCELED": ("■", "yellow"),
    "CANCELING": ("■", "yellow"),
}


def console() -> Console:
    """A console that is as wide as the terminal, 80 columns where there is none."""
    return Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def say(line: str) -> None:
    """One line for people, on stdout; taken literally, long lines stay whole for copying."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """One line beside the result, on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def print_json(value: object) -> None:
    """One line of JSON."""
    say(json.dumps(value, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """A table without lines; `empty` says the next command when there are no rows."""
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            *[
                state_text(cell) if column == "STATE" else Text(str(cell))
                for column, cell in zip(columns, row, strict=True)
            ]
        )
    target = console()
    with target.capture() as drawn:
        target.print(table)
    for line in drawn.get().splitlines():
        say(line.rstrip())


def print_fields(fields: Mapping[str, object]) -> None:
    """Names and values, one a line, names aligned."""
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        say(f"{name.ljust(width)}  {value}")


def state_text(state: object) -> Text:
    """A state by colour and by shape."""
    mark, style = _STATE_MARKS.get(str(state), (" ", ""))
    return Text(f"{mark} {state}", style=style)


def short(identifier: str | None) -> str:
    """The part of an id or digest that tells it from its neighbours."""
    if not identifier:
        return "-"
    if identifier.startswith("sha256:"):
        return identifier[7:19]
    return identifier[-12:] if len(identifier) == 36 else identifier


def ago(moment: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 moment was, in words."""
    if not moment:
        return "-"
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(int(seconds), 0)} s ago"


def fail(problem: TidemillError, *, as_json: bool = False) -> NoReturn:
    """Print an error on stderr (and as JSON on stdout when asked) and leave with its exit status."""
    note_error(problem.message, place=problem.place, remedy=problem.remedy)
    if as_json:
        print_json(problem.to_json())
    raise SystemExit(problem.exit_status)


def wrapped(line: str, *, hanging: int = 2) -> str:
    """A line of prose, broken between words where the terminal ends; paths, ids and commands stay whole.

    What follows the first line stands `hanging` columns further in.
    """
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stderr.isatty() else WIDTH
    indent = " " * (len(line) - len(line.lstrip()) + hanging)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def note_error(message: str, *, place: str | None, remedy: str | None) -> None:
    """An error on stderr: where and what on one line when both fit, and what to do below."""
    first = f"error: {place}: {message}" if place else f"error: {message}"
    lines = first.splitlines()
    if place and (len(first) > WIDTH or len(lines) > 1):
        note(f"error: {place}:")  # whole, for copying
        lines = [f"  {line}" for line in message.splitlines()]
    for line in [*lines, f"  → {remedy}"] if remedy else lines:
        note(wrapped(line))


def shortened(text: str, characters: int = 300) -> str:
    """A text that fits a few lines; the rest of it stands where the remedy says."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def items_of(page: Any) -> list[dict[str, Any]]:
    """The items of a list reply."""
    return list(page["items"]) if isinstance(page, dict) else list(page)

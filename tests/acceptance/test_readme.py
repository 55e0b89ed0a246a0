"""The shell session of the README, run for real, says what the README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = "..."
REFUSED = re.compile(r"^error: ")
FORBIDDEN_STATUS = 4
END = "__end_of_command__"

# what differs between two sessions; ids that the README repeats in a later command are learnt from the first group
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_VARIABLE = re.compile(
    rf"(?P<id>{_ID}|\b(?=[a-f]*[0-9])[0-9a-f]{{12}}\b)"
    r"|(?P<digest>\b(?:sha256:)?[0-9a-f]{40,64}\b)"
    r"|(?P<when>\d{4}-\d\d-\d\dT[\d:]+)"
    r"|(?P<path>(?<![\w.:/])/[\w./-]*/[\w./-]+)"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:e-?\d+)?)"
)
_FOLDED = re.compile(r"\s+")


@dataclass(kw_only=True)
class Command:
    """One command of the session and the lines that it printed."""

    text: str
    lines: list[str] = field(default_factory=list)


def session() -> list[Command]:
    """The commands of the block under "Real use"."""
    section = (ROOT / "README.md").read_text().split("\n## Real use\n", 1)[1].split("\n## ", 1)[0]
    block = re.search(r"```console\n(.*?)```", section, re.DOTALL)
    assert block, "no console block under Real use"
    commands: list[Command] = []
    for line in block[1].splitlines():
        if line.startswith("$ "):
            commands.append(Command(text=line[2:]))
        else:
            commands[-1].lines.append(line)
    return commands


class Shell:
    """One bash for the whole session, so that its exports last; what goes to stderr is read as well."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __call__(self, text: str) -> tuple[list[str], int]:
        """The lines that a command printed, and its exit status."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{ {text}\n}} </dev/null\necho {END} $?\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(END):
                return lines, int(line.split()[1])
            lines.append(line.rstrip("\n"))
        raise AssertionError(f"the shell ended in: {text}")

    def close(self) -> None:
        """End the shell."""
        self._bash.communicate(timeout=30)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell of Maya's in a copy of the example, with a home of its own; its site is down afterwards."""
    folder = tmp_path / "fuel"
    shutil.copytree(ROOT / "examples" / "fuel", folder)
    maya = {"NAME": "Maya", "EMAIL": "maya@example.org"}
    made = Shell(
        folder,
        {
            **os.environ,
            **{f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in maya.items()},
            "LOGNAME": "maya",
            "TIDEMILL_HOME": str(tmp_path / "home"),
            "TIDEMILL_PORT": "0",
            # the path of a site's sockets is short, whatever the temporary folder of a test is called
            "XDG_RUNTIME_DIR": "/tmp",
        },
    )
    made(f'tidemill() {{ "{sys.executable}" -m tidemill "$@"; }}')
    try:
        yield made
        made("tidemill down")
    finally:
        made.close()


def shape(line: str) -> str:
    """A line without what differs each time: ids, digests, moments, paths, numbers, and how wide a table is."""
    named = _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", line)
    return _FOLDED.sub(" ", named).strip()


def learnt(written: str, printed: str) -> dict[str, str]:
    """The ids of a README line with the real ones of the same shape."""
    ids = [[found["id"] for found in _VARIABLE.finditer(line) if found["id"]] for line in (written, printed)]
    return dict(zip(*ids, strict=True))


def with_real_ids(text: str, known: dict[str, str]) -> str:
    """A command of the README for this session."""
    return _VARIABLE.sub(lambda found: known.get(found[0], found[0]), text)


def compare(command: Command, printed: list[str]) -> dict[str, str]:
    """Hold what was printed against the README; the ids that were learnt on the way."""
    known: dict[str, str] = {}
    place = 0
    may_skip = False
    for line in command.lines:
        if line == LEFT_OUT:
            may_skip = True
            continue
        while may_skip and place < len(printed) and shape(printed[place]) != shape(line):
            place += 1
        assert place < len(printed), f"{command.text}: not printed: {line}\n" + "\n".join(printed)
        assert shape(printed[place]) == shape(line), f"{command.text}: line {place + 1}\n" + "\n".join(printed)
        known |= learnt(line, printed[place])
        place, may_skip = place + 1, False
    assert may_skip or place == len(printed), f"{command.text}: more was printed\n" + "\n".join(printed)
    return known


def test_the_session_of_the_readme_happens_as_it_is_written(shell: Shell) -> None:
    commands = session()
    assert commands[-1].text == "tidemill down"
    known: dict[str, str] = {}
    for command in commands:
        text = with_real_ids(command.text, known)
        printed, status = shell(text)
        is_refused = any(REFUSED.match(line) for line in command.lines)
        assert status == (FORBIDDEN_STATUS if is_refused else 0), f"{text} left with {status}\n" + "\n".join(printed)
        known |= compare(command, printed)


def test_a_line_that_says_something_else_has_another_shape() -> None:
    assert shape("approved fuel@1 (1 of 1)") == shape("approved fuel@12 (2 of 3)")
    assert shape("approved fuel@1 (1 of 1)") != shape("rejected fuel@1 (1 of 1)")
    with pytest.raises(AssertionError, match="more was printed"):
        compare(Command(text="tidemill down", lines=["the site is down"]), ["the site is down", "and more"])

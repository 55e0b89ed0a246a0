"""The command: makes a folder, tells the story in it, leaves the site running or stops it."""

from __future__ import annotations

import shutil
import textwrap
import time
from pathlib import Path
from typing import Annotated

import typer

import tidemill
from tidemill.base.errors import Conflict, NotFound
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.shell import Shell
from tidemill.cli.output import WIDTH, say

EXAMPLE = "fuel"


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command tree."""
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Where to work: a new folder.")] = Path("tidemill-demo"),
    full: Annotated[bool, typer.Option("--full", help="Five beats more; the last one fetches MLflow.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop the site at the end.")] = False,
    port: Annotated[int, typer.Option(help="Public port; the next free one when it is busy.")] = 8080,
) -> None:
    """Take a model from a notebook to live, let the world change, and watch the site act; in about a minute and a half.

    Exit status 0 when every beat did what it should. Examples: tidemill demo --once; tidemill demo --full
    """
    from tidemill.cli.demo.beats import FIVE, FIVE_MORE  # an HTTP client, for this command only

    shell = prepare(folder)
    started = time.monotonic()
    say(f"the story of a model, in {shell.folder}")
    done = False
    try:
        for number, beat in enumerate((*FIVE, *FIVE_MORE) if full else FIVE, 1):
            beat_started = time.monotonic()
            told = beat(shell, port)
            _say(number, told, time.monotonic() - beat_started, shell.url())
        done = True
    finally:
        if once or not done:
            shell.tidemill("down")
    say(f"done in {time.monotonic() - started:.0f} s")
    if not once:
        say(f"the site is up at {shell.url()}; to go on from here:")
        say(f"    cd {shell.folder} && export TIDEMILL_HOME={shell.home}")
        say("    tidemill status; and to stop it: tidemill down")
        say(f"the dashboard, once: {shell.tidemill('open').strip()}")


def _say(number: int, told: Told, seconds: float, url: str) -> None:
    text = f"{number} {told.happened} ({seconds:.1f} s)"
    say(textwrap.fill(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    say(textwrap.fill(f"look closer: {told.look}", WIDTH, initial_indent="    ", subsequent_indent="      "))
    say(f"    {url}{told.page}")


def prepare(folder: Path) -> Shell:
    """A working folder with a copy of the example; one of an earlier demo is replaced, after its site is stopped."""
    target = folder.absolute()
    if target.exists() and any(target.iterdir()):
        if not (target / ".tidemill-demo").exists():
            raise Conflict(
                "is there, and no folder of a demo", place=str(target), remedy="choose another with --folder"
            )
        Shell(target).tidemill("down")
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    (target / ".tidemill-demo").touch()
    shutil.copytree(_example(), target, dirs_exist_ok=True)
    return Shell(target)


def _example() -> Path:
    package = Path(tidemill.__file__).parent
    for place in (package / "examples", package.parents[1] / "examples"):
        if (place / EXAMPLE / "tidemill.toml").exists():
            return place / EXAMPLE
    raise NotFound("the example is not in this installation", place=str(package), remedy="install the wheel again")

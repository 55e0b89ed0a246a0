"""`tidemill up`, `down` and `status`: the processes of a site."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tidemill.base.ballast import Ballast, Storage
from tidemill.base.errors import TidemillError, Unavailable
from tidemill.base.process import is_alive
from tidemill.cli.connection import live_site
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import note, note_error, print_fields, print_json, print_table, say
from tidemill.platform import Platform

START_SECONDS, STOP_SECONDS = 40.0, 40.0
TROUBLES = ("NotProven", "RevisionFailed")


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command tree."""
    app.command()(up)
    app.command()(down)
    app.command()(status)


def up(
    command: typer.Context,
    port: Annotated[int | None, typer.Option(help="Public port; the next free one when it is busy.")] = None,
    bind: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    gateway: Annotated[bool, typer.Option(help="Without it there are no predictions.")] = True,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return when the site is ready.")] = False,
) -> None:
    """Start the site of this home and serve until SIGTERM or Ctrl-C.

    Examples: tidemill up; tidemill up --detach --port 9000
    """
    context = context_of(command)
    platform = Platform(home=context.home, flags={"port": port, "bind": bind})
    running = live_site(platform)
    if running is not None:
        say(f"already up at {running['url']}")
        if port is not None and not _has_port(running["url"], port):
            note(f"--port {port} is not taken: tidemill down, then up again")
        return
    if detach:
        _start_detached(platform, sys.argv[1:])
        return
    from tidemill.supervisor.site import RunningSite

    def ready(url: str) -> None:
        say(f"tidemill is up at {url} (home {platform.home.path}); Ctrl-C stops it")
        _note_other_port(platform, url)
        if sys.stdout.isatty():  # a link that signs in has no place in a log
            say(f"sign a browser in, once: {_sign_in_link(platform, url)}")

    try:
        asyncio.run(_serve(RunningSite(platform, with_gateway=gateway), ready))
    except KeyboardInterrupt:
        note("stopped")


def down(command: typer.Context) -> None:
    """Stop the site of this home: what is under way is drained or goes on at the next start.

    Example: tidemill down
    """
    told = live_site(context_of(command).platform)
    if told is None:
        say("no site is up")
        return
    pid, ticks = int(told["pid"]), told.get("start_ticks")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while is_alive(pid, ticks):
        if time.monotonic() > deadline:
            raise Unavailable(
                f"the site (process {pid}) has not stopped in {STOP_SECONDS:.0f} s", remedy="see its logs"
            )
        time.sleep(0.05)
    say("the site is down")


def status(command: typer.Context, as_json: JsonOption = False) -> None:
    """Say whether the site is up, how its processes are, and whether there is room.

    Exit status 0 when it is up, 6 when it is not. Example: tidemill status
    """
    context = context_of(command)
    told = live_site(context.platform)
    if told is None:
        if as_json:
            print_json({"up": False, "home": str(context.platform.home.path)})
        raise Unavailable("no site is up", place=str(context.platform.home.path), remedy="tidemill up --detach")
    processes = _processes(context)
    home = context.platform.home
    storage = Ballast(home=home).look(context.platform.settings.number("free_space_floor_bytes"))
    room = f"{storage.state.value}, {storage.free_bytes / 1e6:.0f} MB free"
    if as_json:
        fields = {"up": True, "url": told["url"], "home": str(home.path), "processes": processes}
        print_json({**fields, "storage": _storage_json(storage), "services": _troubled(context)})
        return
    print_fields({"address": told["url"], "home": home.path, "process": told["pid"], "storage": room})
    if storage.refusal is not None:
        note_error(storage.refusal.message, place=storage.refusal.place, remedy=storage.refusal.remedy)
    for each in _troubled(context):
        but = "answers, but " if each["ready"] else ""
        note_error(f"the service {each['name']} {but}{each['reason']}: {each['message']}", place=None, remedy=None)
    rows = [(each["name"], each["state"], each["pid"] or "-", each["restarts"]) for each in processes]
    print_table(["PROCESS", "STATE", "PID", "RESTARTS"], rows, empty="")


def _storage_json(storage: Storage) -> dict[str, Any]:
    refusal = storage.refusal
    return {
        "state": storage.state.value,
        "free_bytes": storage.free_bytes,
        "ballast_bytes": storage.held_bytes,
        "message": None if refusal is None else refusal.message,
        "remedy": None if refusal is None else refusal.remedy,
    }


def _troubled(context: Context) -> list[dict[str, Any]]:
    """The services that somebody must look after; none while no server answers, which the processes tell."""
    try:
        found = context.connection.pages("/services", limit=500)
    except TidemillError:
        return []
    fields = ("name", "ready", "degraded", "reason", "message")
    return [
        {field: each[field] for field in fields} for each in found if each["degraded"] or each["reason"] in TROUBLES
    ]


def _processes(context: Context) -> list[dict[str, Any]]:
    from tidemill.supervisor.control import ask

    return list(ask(context.platform.home, {"op": "status"})["processes"])


async def _serve(site: Any, ready: Any) -> None:
    await site.run(ready)


def _start_detached(platform: Platform, arguments: list[str]) -> None:
    words = [word for word in arguments if word not in {"--detach", "-d"}]
    log_path: Path = platform.home.logs / "supervisor.log"
    with log_path.open("ab") as output:
        before = output.tell()
        child = subprocess.Popen(
            [sys.executable, "-m", "tidemill", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while (told := live_site(platform)) is None:
        if child.poll() is not None or time.monotonic() > deadline:
            _ = platform.site  # when it is the home, its own error says it best
            said = log_path.read_bytes()[before:].decode(errors="replace").strip()
            if child.returncode and "error: " in said:  # what stopped the site is the error of this command
                note(said[said.rindex("error: ") :])
                raise typer.Exit(child.returncode)
            last = said.splitlines()[-1] if said else "it said nothing"
            raise Unavailable(
                f"the site did not come up: {last}", place=str(log_path), remedy="read that log; tidemill doctor"
            )
        time.sleep(0.02)
    say(f"tidemill is up at {told['url']} (home {platform.home.path}); stop it with: tidemill down")
    _note_other_port(platform, told["url"])
    say(f"sign a browser in, once: {_sign_in_link(platform, told['url'])}")


def _has_port(url: str, port: int) -> bool:
    return url.rpartition(":")[2] == str(port)


def _note_other_port(platform: Platform, url: str) -> None:
    wanted = platform.settings.number("port")
    if wanted and not _has_port(url, wanted):
        note(f"port {wanted} is busy: the site took the next free one")


def _sign_in_link(platform: Platform, url: str) -> str:
    from tidemill.access import make_sign_in_code

    return f"{url}/sign-in?code={make_sign_in_code(platform.site, platform.actor)}"

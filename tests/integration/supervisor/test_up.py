"""A site comes up, survives the death of its processes, serves one home alone, and goes down."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

DEADLINE_SECONDS = 30.0


class Shell:
    """Runs `tidemill` with a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "TIDEMILL_HOME": str(home), "XDG_RUNTIME_DIR": "/tmp"}

    def __call__(self, *words: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tidemill", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self("status", "--json").splitlines()[-1])
        return told

    def process(self, name: str) -> dict[str, Any]:
        return next(each for each in self.status()["processes"] if each["name"] == name)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A shell whose site is down afterwards."""
    made = Shell(tmp_path / "home")
    yield made
    made("down")


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until it holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true in {DEADLINE_SECONDS:.0f} s"
        time.sleep(0.05)


def test_a_site_comes_up_answers_and_goes_down(shell: Shell) -> None:
    shell("up", "--detach", "--no-gateway", "--port", "0")
    url = shell.status()["url"]
    assert httpx.get(f"{url}/api/v1/healthz").json()["status"] == "ok"
    assert "Tidemill" in httpx.get(url).text
    assert "already up" in shell("up", "--detach")
    shell("down")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/v1/healthz")
    assert "no site is up" in shell("status", expect=6)


def test_commands_use_the_live_site_and_the_same_token(shell: Shell) -> None:
    before = shell("token", "list", "--json")
    shell("up", "--detach", "--no-gateway", "--port", "0")
    after = shell("token", "list", "--json")
    assert json.loads(before) == json.loads(after)
    shell.environment["TIDEMILL_TOKEN"] = "tm_wrong"
    assert "not known here" in shell("token", "list", expect=4)


def test_a_killed_server_is_back_and_nobody_who_waits_is_refused(shell: Shell) -> None:
    shell("up", "--detach", "--no-gateway", "--port", "0")
    url, pid = shell.status()["url"], shell.process("server")["pid"]
    os.kill(pid, signal.SIGKILL)
    # the supervisor owns the socket: this connection waits in it until the next server takes it
    assert httpx.get(f"{url}/api/v1/healthz", timeout=DEADLINE_SECONDS).status_code == 200
    until(lambda: shell.process("server")["restarts"] >= 1, "a restart of the server")
    assert shell.process("server")["pid"] != pid


def test_a_killed_supervisor_takes_its_processes_with_it(shell: Shell) -> None:
    shell("up", "--detach", "--no-gateway", "--port", "0")
    told = json.loads((shell.home / "site.json").read_text())
    children = [each["pid"] for each in shell.status()["processes"] if each["pid"]]
    assert children
    os.kill(told["pid"], signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of the children")
    shell("up", "--detach", "--no-gateway", "--port", "0")
    assert shell.status()["up"] is True


def test_a_second_site_on_one_home_is_refused(shell: Shell) -> None:
    shell("up", "--detach", "--no-gateway", "--port", "0")
    (shell.home / "site.json").rename(shell.home / "hidden.json")
    assert "another site serves this home" in shell("up", "--no-gateway", "--port", "0", expect=5)
    (shell.home / "hidden.json").rename(shell.home / "site.json")


def test_a_busy_port_gives_the_next_free_one(shell: Shell) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        told = shell("up", "--detach", "--no-gateway", "--port", str(port))
        assert f"port {port} is busy" in told
        assert not shell.status()["url"].endswith(f":{port}")
    assert f"--port {port} is not taken" in shell("up", "--detach", "--no-gateway", "--port", str(port))


def test_an_address_that_is_not_ours_is_refused(shell: Shell) -> None:
    assert "cannot listen" in shell("up", "--no-gateway", "--bind", "192.0.2.1", "--port", "0", expect=2)

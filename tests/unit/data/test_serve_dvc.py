"""The data child of a site: who asks gets DVC with their own environment, one at a time in a working folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import Forbidden, NotFound, TidemillError, Unavailable
from tidemill.data import SiteDvc, dvc_pool, serve_dvc
from tidemill.data.environment import handed_over, own_umask

CHILD = """#!%s
import json, os, pathlib, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["operation"] == "add":
        work = pathlib.Path(asked["path"])
        work.with_suffix(".begun").write_text(str(os.getpid()))
        while not work.exists():
            time.sleep(0.01)
        work.with_suffix(".done").touch()
    umask = os.umask(0)
    os.umask(umask)
    told = {"remote": json.dumps([os.getpid(), os.environ.get("AWS_PROFILE"), umask]), "warnings": []}
    print(json.dumps(told), flush=True)
"""


@dataclass
class Serving:
    """A data child in a thread, with a program in DVC's place that says its process id, profile and umask."""

    folder: Path
    stop: threading.Event = field(default_factory=threading.Event)
    made: list[None] = field(default_factory=list)
    failure: TidemillError | None = None
    idle_seconds: float = 60.0

    def __post_init__(self) -> None:
        self.program = self.folder / "python"
        self.program.write_text(CHILD % sys.executable)
        self.program.chmod(0o700)
        self.socket = self.folder / "s"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        log = self.folder / "dvc.log"
        serve_dvc.serve_dvc(self.listener, self._find, log, self.stop, idle_seconds=self.idle_seconds)

    def _find(self) -> Path:
        self.made.append(None)
        if self.failure is not None:
            raise self.failure
        return self.program

    def dvc(self, profile: str = "mine", umask: int = 0o022) -> SiteDvc:
        return SiteDvc(self.socket, {"AWS_PROFILE": profile, "PATH": os.environ["PATH"]}, umask)

    def told(self, root: str = "/one", profile: str = "mine", umask: int = 0o022) -> tuple[int, str, int]:
        pid, seen, its_umask = json.loads(self.dvc(profile, umask).initialise(Path(root), "") or "")
        return pid, seen, its_umask


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    """A data child that answers; stopped at the end."""
    monkeypatch.setattr(serve_dvc, "_LOOK_SECONDS", 0.01)
    made = Serving(tmp_path)
    made.thread.start()
    yield made
    made.stop.set()
    made.thread.join()
    made.listener.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@dataclass
class Asking:
    """A request in a thread of its own, whose end the test decides by making `go`."""

    dvc: SiteDvc
    root: Path
    go: Path
    problems: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        try:
            self.dvc.add(self.root, self.go)
        except TidemillError as problem:
            self.problems.append(problem)

    @property
    def has_begun(self) -> bool:
        return bool(self.go.with_suffix(".begun").exists() and self.go.with_suffix(".begun").read_text())


def test_nothing_is_made_before_the_first_request_and_the_second_is_warm(serving: Serving) -> None:
    assert serving.made == []
    first = serving.told()
    assert serving.told("/another") == first
    assert serving.made == [None]


def test_dvc_runs_with_the_environment_and_umask_of_who_asks(serving: Serving) -> None:
    mine, yours = serving.told(profile="mine"), serving.told(profile="yours", umask=0o077)
    assert (mine[1:], yours[1:]) == (("mine", 0o022), ("yours", 0o077))
    assert serving.told(profile="mine") == mine


def test_the_children_are_few(serving: Serving) -> None:
    pids = [serving.told(profile=str(number))[0] for number in range(dvc_pool.MOST_CHILDREN + 1)]
    assert len(set(pids)) == len(pids)
    _until(lambda: not Path(f"/proc/{pids[0]}").exists())
    assert serving.told(profile="1")[0] == pids[1]


def test_one_request_at_a_time_in_a_folder_and_another_folder_does_not_wait(serving: Serving, tmp_path: Path) -> None:
    first = Asking(serving.dvc(), tmp_path, tmp_path / "first")
    _until(lambda: first.has_begun)
    second = Asking(serving.dvc("yours"), tmp_path / ".", tmp_path / "second")
    for profile in ("mine", "others", "mine"):  # each takes longer than the second one would take to begin
        assert serving.told("/elsewhere", profile)[1] == profile
    assert not second.has_begun
    first.go.touch()
    _until(lambda: second.has_begun)
    second.go.touch()
    for each in (first, second):
        each.thread.join()
    assert first.problems + second.problems == []


def _left_alone(serving: Serving, tmp_path: Path, go: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(serving.socket))
    request = {"operation": "add", "root": str(tmp_path), "path": str(go)}
    asked: dict[str, Any] = {"variables": {"PATH": os.environ["PATH"]}, "umask": 18, "request": request}
    connection.sendall(json.dumps(asked).encode() + b"\n")
    return connection


def test_who_goes_away_stops_the_work_and_the_folder_is_free(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.data.dvc_child.PATIENCE_SECONDS", 0.1)
    with _left_alone(serving, tmp_path, tmp_path / "go"):
        _until((tmp_path / "go.begun").exists)
    assert serving.told(str(tmp_path))[1] == "mine"
    assert not (tmp_path / "go.done").exists()


def test_who_goes_away_while_waiting_begins_nothing(serving: Serving, tmp_path: Path) -> None:
    first = Asking(serving.dvc(), tmp_path, tmp_path / "first")
    _until(lambda: first.has_begun)
    with _left_alone(serving, tmp_path, tmp_path / "second"):
        pass
    third = Asking(serving.dvc(), tmp_path, tmp_path / "third")
    first.go.touch()
    _until(lambda: third.has_begun)
    third.go.touch()
    third.thread.join()
    assert not (tmp_path / "second.begun").exists()


def test_a_child_that_dies_over_a_request_is_told_of_and_the_next_request_works(
    serving: Serving, tmp_path: Path
) -> None:
    asking = Asking(serving.dvc(), tmp_path, tmp_path / "go")
    _until(lambda: asking.has_begun)
    os.kill(int((tmp_path / "go.begun").read_text()), signal.SIGKILL)
    asking.thread.join()
    (problem,) = asking.problems
    assert isinstance(problem, Unavailable)
    assert (problem.message, problem.remedy) == ("DVC ended in the middle of its work", "try again")
    assert serving.told(str(tmp_path))[1] == "mine"


def test_a_child_that_was_killed_while_idle_is_nobodys_error(serving: Serving) -> None:
    pid = serving.told()[0]
    os.kill(pid, signal.SIGKILL)
    _until(lambda: "Z" in Path(f"/proc/{pid}/stat").read_text())
    assert serving.told()[0] != pid


def test_what_is_wrong_with_the_environment_is_told_as_it_is(serving: Serving) -> None:
    serving.failure = NotFound("there is no Python", place="here", remedy="make one")
    with pytest.raises(NotFound) as caught:
        serving.told()
    assert (caught.value.message, caught.value.place, caught.value.remedy) == ("there is no Python", "here", "make one")
    serving.failure = None
    assert serving.told()[1] == "mine"


def test_who_is_at_work_finishes_when_the_site_stops_and_who_waits_is_refused(serving: Serving, tmp_path: Path) -> None:
    first = Asking(serving.dvc(), tmp_path, tmp_path / "first")
    _until(lambda: first.has_begun)
    with _left_alone(serving, tmp_path, tmp_path / "second") as second:
        serving.told("/elsewhere", profile="other")  # answered after the second one was taken
        serving.stop.set()
        refused = json.loads(second.makefile("rb").readline())["refused"]
    first.go.touch()
    first.thread.join()
    assert first.problems == []
    assert refused["message"] == "the site is stopping"


def test_work_that_does_not_end_is_cut_off_when_the_site_stops(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_dvc, "DRAIN_SECONDS", 0.1)
    asking = Asking(serving.dvc(), tmp_path, tmp_path / "go")
    _until(lambda: asking.has_begun)
    serving.stop.set()
    serving.thread.join()
    asking.thread.join()
    assert isinstance(asking.problems[0], Unavailable)


def test_it_ends_by_itself_when_nobody_asks_and_leaves_no_child(tmp_path: Path) -> None:
    serving = Serving(tmp_path, idle_seconds=0.3)
    serving.thread.start()
    pid = serving.told()[0]
    serving.thread.join()
    assert not Path(f"/proc/{pid}").exists()
    serving.listener.close()
    with pytest.raises(Unavailable, match="does not answer"):
        serving.told()


def test_another_user_is_refused(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.getuid()
    monkeypatch.setattr("tidemill.data.serve_dvc.os.getuid", lambda: real + 1)
    with pytest.raises(Forbidden, match="works for its owner only"):
        serving.told()
    assert serving.made == []


@pytest.mark.parametrize("asked", [b"{}\n", b"[]\n", b"no json\n", b'{"request": 1, "variables": 2, "umask": 3}\n'])
def test_what_is_no_question_is_refused(serving: Serving, asked: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(serving.socket))
        connection.sendall(asked)
        told = json.loads(connection.makefile("rb").readline())
    assert told["refused"]["error"] == "invalid_input"


def test_a_site_that_dies_over_a_request_is_told_of(tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def die() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)

    thread = threading.Thread(target=die)
    thread.start()
    with pytest.raises(Unavailable, match=r"ended in the middle of its work|does not answer"):
        SiteDvc(tmp_path / "s", {}, 0o022).states(tmp_path, [])
    thread.join()
    listener.close()


def test_credentials_and_proxies_are_handed_over_and_ours_are_not() -> None:
    kept = {"HOME": "/h", "AWS_SECRET_ACCESS_KEY": "s", "https_proxy": "p", "SSH_AUTH_SOCK": "a", "GIT_SSH": "g"}
    ours = {"TIDEMILL_TOKEN": "t", "TIDEMILL_HOME": "h", "PYTHONPATH": "p", "VIRTUAL_ENV": "v"}
    of_the_moment = {"PWD": "/", "OLDPWD": "/", "SHLVL": "2", "_": "x", "SSH_TTY": "/dev/pts/1"}
    assert handed_over({**kept, **ours, **of_the_moment}) == kept


def test_the_umask_is_read_and_stays() -> None:
    before = os.umask(0o027)
    try:
        assert own_umask() == 0o027
    finally:
        assert os.umask(before) == 0o027

"""kill -9 of the processes of a real site in the middle of a run: it ends well, and no step is recorded twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.command_line import CommandLine, until

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.events import events_after, events_of
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.engine import Attempt, State, list_attempts, list_tasks
from tidemill.engine.testing import Step, pipeline_of
from tidemill.supervisor.control import ask

STEPS, HELD = 5, 2
CLIENT_SECONDS = 90.0


@dataclass(kw_only=True)
class Story:
    """A site that is up, and a chain of steps that note outside what they do; the one of number `HELD` waits."""

    tidemill: CommandLine
    effects: Path
    pipeline: Path

    @contextmanager
    def begun_run(self) -> Iterator[subprocess.Popen[str]]:
        """`tidemill run` in the background, a client that waits for the end, up to the step that waits."""
        with self.tidemill.begun("run", str(self.pipeline), "--no-cache", "--json") as client:
            until(lambda: bool(self.noted(f"started-{HELD}")), "the start of the step that waits")
            yield client

    def release(self) -> None:
        """Let the step that waits go on."""
        (self.effects / "go").touch()

    def noted(self, name: str) -> list[str]:
        """What the bodies of steps wrote into a file outside the site."""
        path = self.effects / name
        return path.read_text().splitlines() if path.exists() else []

    def bodies(self, kind: str) -> list[int]:
        """How often the body of each step started, or ended."""
        return [len(self.noted(f"{kind}-{number}")) for number in range(STEPS)]

    def process(self, name: str) -> dict[str, Any]:
        """What the supervisor tells of a process."""
        return next(each for each in self.processes() if each["name"] == name)

    def processes(self) -> list[dict[str, Any]]:
        """What the supervisor tells of its processes."""
        return list(ask(open_home(self.tidemill.home), {"op": "status"})["processes"])

    def kill(self, *names: str) -> None:
        """kill -9 of these processes at once, and a look that each is another one afterwards."""
        before = {name: self.process(name) for name in names}
        for each in before.values():
            os.kill(each["pid"], signal.SIGKILL)
        for name, each in before.items():
            until(lambda name=name, pid=each["pid"]: self.process(name)["pid"] not in {None, pid}, f"another {name}")  # type: ignore[misc]
            assert self.process(name)["restarts"] == each["restarts"] + 1


@pytest.fixture(scope="module")
def tidemill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """The command line of a site without a gateway; it is down afterwards."""
    folder = tmp_path_factory.mktemp("site")
    tidemill = CommandLine(folder=folder, home=folder / "home")
    tidemill("up", "--detach", "--no-gateway", "--port", "0")
    yield tidemill
    tidemill("down")


@pytest.fixture
def story(tidemill: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    """One chain of steps on that site."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", tidemill.environment["XDG_RUNTIME_DIR"])
    effects = tmp_path / "effects"
    effects.mkdir()
    pipeline = tmp_path / "chain.json"
    pipeline.write_text(json.dumps(pipeline_of(*_chain(effects), name="chain").raw))
    return Story(tidemill=tidemill, effects=effects, pipeline=pipeline)


def _chain(effects: Path) -> list[Step]:
    steps = []
    for number in range(STEPS):
        wait = f"while ! test -e {effects}/go; do sleep 0.02; done;" if number == HELD else ""
        script = f"echo $$ >> {effects}/started-{number}; {wait} echo end >> {effects}/ended-{number}"
        after = [f"step{number - 1}"] if number else []
        steps.append(Step(name=f"step{number}", command=["sh", "-c", script], after=after))
    return steps


@pytest.mark.parametrize("names", [("worker",), ("controller",), ("server",), ("worker", "controller", "server")])
def test_kill_9_in_the_middle_of_a_run_and_it_ends_well_with_each_step_recorded_once(
    story: Story, names: Sequence[str]
) -> None:
    with story.begun_run() as client:
        story.kill(*names)
        assert client.poll() is None, "the client was refused"
        story.release()
        outcome = _outcome(client)
    attempts = _assert_recorded_once(story, outcome["run_id"])
    is_worker_dead = "worker" in names
    assert story.bodies("started") == [2 if is_worker_dead and number == HELD else 1 for number in range(STEPS)]
    assert story.bodies("ended") == [1] * STEPS, "the body that was cut off wrote after its end"
    lost = [one for one in attempts if one.state is not State.SUCCEEDED]
    assert [one.state for one in lost] == ([State.CANCELED] if is_worker_dead else [])


def test_a_server_that_is_killed_again_and_again_refuses_no_client(story: Story) -> None:
    with story.begun_run() as client:
        for _ in range(3):
            before = story.process("server")
            os.kill(before["pid"], signal.SIGKILL)
            # no wait for the next server: the command's connection waits for it in the socket
            assert story.tidemill.json("runs", "list")[0]["state"] == "RUNNING"
            assert story.process("server")["restarts"] == before["restarts"] + 1
        story.release()
        outcome = _outcome(client)
    _assert_recorded_once(story, outcome["run_id"])
    assert story.bodies("ended") == [1] * STEPS


def test_kill_9_of_the_supervisor_and_the_run_goes_on_when_the_site_is_up_again(story: Story) -> None:
    with story.begun_run() as client:
        run_id = story.tidemill.json("runs", "list")[0]["id"]
        children = [each["pid"] for each in story.processes()]
        os.kill(json.loads((story.tidemill.home / "site.json").read_text())["pid"], signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of its processes")
        # the site is gone, which the waiting client says; its run is not
        assert client.wait(CLIENT_SECONDS) == 6
        assert "does not answer" in client.communicate()[1]
    story.release()
    story.tidemill("up", "--detach", "--no-gateway", "--port", "0")
    until(lambda: story.tidemill.json("runs", "show", run_id)["state"] == "SUCCEEDED", "the end of the run")
    _assert_recorded_once(story, run_id)
    assert story.bodies("ended")[:HELD] == [1] * HELD
    assert story.bodies("started")[HELD] == 2


def _outcome(client: subprocess.Popen[str]) -> dict[str, Any]:
    """What a client that waited was told at the end; it was not refused."""
    output, said = client.communicate(timeout=CLIENT_SECONDS)
    assert client.returncode == 0, output + said
    outcome: dict[str, Any] = json.loads(output.splitlines()[-1])
    assert outcome["state"] == "SUCCEEDED"
    assert sorted(task["name"] for task in outcome["tasks"]) == [f"step{number}" for number in range(STEPS)]
    return outcome


def _assert_recorded_once(story: Story, run_id: str) -> list[Attempt]:
    """One completion, one winning attempt and one event for each step; gives all attempts."""
    clock = SystemClock()
    home = open_home(story.tidemill.home)
    site = Site(home=home, database=Database(sqlite_url(home.database)), clock=clock, ids=Uuid7Ids(clock))
    try:
        namespace = ensure_namespace(site, "default", created_by="test")
        actor = Actor(person="vera", namespace_id=namespace.id, roles=frozenset({Role.VIEWER}))
        tasks = list_tasks(site, actor, run_id)
        attempts = list_attempts(site, actor, run_id)
        with site.database.read() as connection:
            events = events_after(connection, namespace_id=namespace.id, number=0, kinds=["task.succeeded"])
            ends = events_of(connection, namespace_id=namespace.id, subject_id=run_id)
    finally:
        site.database.close()
    assert [task.state for task in tasks] == [State.SUCCEEDED] * STEPS
    of_this_run = [event for event in events if event.subject_id in {task.id for task in tasks}]
    assert sorted(event.data["task"] for event in of_this_run) == [f"step{number}" for number in range(STEPS)]
    assert [event.kind for event in ends].count("run.succeeded") == 1
    winners = [one.task_id for one in attempts if one.state is State.SUCCEEDED]
    assert sorted(winners) == sorted(task.id for task in tasks)
    return attempts

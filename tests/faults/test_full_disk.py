"""A disk without a free byte: what reads and stops still works, what needs room says so, and all goes on afterwards."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from tests.acceptance.command_line import CommandLine, until
from tests.acceptance.refusals import refused

from tidemill.access import Actor, Role, ensure_namespace, local_token
from tidemill.artifacts import Artifact, verify
from tidemill.artifacts.folder_store import FolderStore
from tidemill.base.ballast import RELEASE_BYTES, Ballast, StorageState
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.errors import StorageFull
from tidemill.base.home import Home, open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site
from tidemill.engine import (
    RunRequest,
    State,
    WorkerOptions,
    driver,
    get_run,
    open_worker,
    resume_run,
    run_output,
    submit_run,
)
from tidemill.engine import worker as worker_module
from tidemill.engine.changes import write_changes
from tidemill.engine.store import run_rows
from tidemill.engine.testing import Step, pipeline_of
from tidemill.monitoring.spool import Spool

DISK_BYTES, OUTPUT_BYTES = 48 << 20, RELEASE_BYTES + (8 << 20)
BACK_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A small file system of its own, which can be filled to the last byte."""

    folder: Path

    @property
    def free_bytes(self) -> int:
        """What is free."""
        room = os.statvfs(self.folder)
        return room.f_bavail * room.f_frsize

    def fill(self, leave_bytes: int = 0) -> None:
        """Take all the room but some; at once, so that what is given up for it is not taken, too."""
        with (self.folder / "filler").open("ab") as file:
            start = file.seek(0, os.SEEK_END)
            for missed_bytes in range(0, 1 << 20, 4096):  # others may have written meanwhile
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), start, self.free_bytes - leave_bytes - missed_bytes)
                    return
        raise AssertionError("the disk cannot be filled")

    def clear(self) -> None:
        """Give it back."""
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 48 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield Disk(folder=folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def line(disk: Disk, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line of a home on that disk, its project elsewhere; a site of it is down afterwards."""
    project = tmp_path / "project"
    project.mkdir()
    made = CommandLine(folder=project, home=disk.folder / "home")
    made.home.mkdir()
    (made.home / "settings.toml").write_text(f"free_space_floor_bytes = 0\nballast_bytes = {RELEASE_BYTES}\n")
    yield made
    if (made.home / "site.json").exists():
        made("down")


def _write(line: CommandLine, name: str, *steps: Step) -> None:
    (line.folder / f"{name}.json").write_text(json.dumps(pipeline_of(*steps, name=name).raw))


def _small() -> Step:
    return Step(name="small", command=["echo", "hello"])


def _large(line: CommandLine) -> Step:
    """A step that writes more than the ballast gives up, once it is let."""
    script = f"touch {line.folder}/started; while ! test -e {line.folder}/go; do sleep 0.02; done; "
    script += f'head -c {OUTPUT_BYTES} /dev/urandom > "$0"'
    output = "{{$.outputs.artifacts['table'].path}}"
    return Step(name="large", command=["sh", "-c", script, output], files={"table": "system.Dataset"}, after=["small"])


def _waiting(line: CommandLine) -> Step:
    return Step(name="waits", command=["sh", "-c", f"touch {line.folder}/waits; exec sleep 60"])


def _client(line: CommandLine, name: str) -> subprocess.Popen[str]:
    words = [*line.program, "run", f"{name}.json", "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=line.folder, env=line.environment, stdout=pipe, stderr=pipe, text=True)


def _answer_of(client: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    out, err = client.communicate(timeout=60)
    assert "Traceback" not in err, err
    return client.returncode, json.loads(out.splitlines()[-1])


def _site_of(home: Home, ballast: Ballast | None = None) -> Site:
    clock = SystemClock()
    database = Database(sqlite_url(home.database), ballast)
    migrate(database, home)
    return Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))


def _api(home: Home) -> httpx.Client:
    """The control API of the site that is up, for its owner."""
    site = _site_of(home)
    headers = {"Authorization": f"Bearer {local_token(site)}"}
    site.database.close()
    url = json.loads((home.path / "site.json").read_text())["url"]
    return httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=60.0)


def _assert_whole(home: Path) -> None:
    """The database is sound, and of each registered artifact the bytes are there."""
    with sqlite3.connect(home / "state.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        digests = [row[0] for row in database.execute("SELECT digest FROM artifact WHERE digest IS NOT NULL")]
    database.close()
    assert digests
    store = FolderStore(home / "blobs")
    assert all(store.has(digest) for digest in digests)


def test_on_a_full_disk_a_site_reads_cancels_and_refuses_and_goes_on_when_there_is_room(
    line: CommandLine, disk: Disk, tmp_path: Path
) -> None:
    _write(line, "large", _small(), _large(line))
    _write(line, "waiting", _waiting(line))
    line("up", "--detach", "--no-gateway", "--port", "0")
    ballast = Ballast(home=open_home(line.home))
    assert ballast.look().held_bytes == RELEASE_BYTES
    with _api(ballast.home) as api:
        dying, waiting = _client(line, "large"), _client(line, "waiting")
        started = (line.folder / "started", line.folder / "waits")
        until(lambda: all(each.exists() for each in started) or bool(dying.poll() or waiting.poll()), "both steps")
        assert (dying.poll(), waiting.poll()) == (None, None), (dying if dying.poll() else waiting).communicate()
        disk.fill()
        (line.folder / "go").touch()
        status, told = _answer_of(dying)
        assert (status, told["state"], told["failure"]["error"]) == (7, "FAILED", "storage_full")
        assert f"no space left on the disk of {line.home}" in told["failure"]["message"]
        assert "then tidemill runs resume" in told["failure"]["remedy"]
        until(lambda: ballast.look().state is StorageState.FULL, "the ballast that is given up")
        assert RELEASE_BYTES - (2 << 20) < disk.free_bytes <= RELEASE_BYTES, "nothing else has made room"
        _look_around(api, told["run_id"])
        assert "free some space" in line.said("status")
        line("backup", "create", str(tmp_path / "backup.tar.gz"))
        refused(line, "run", "large.json", status=7, says="the disk is full")
        held = next(run["id"] for run in api.get("/runs").json()["items"] if run["state"] == "RUNNING")
        assert api.post(f"/runs/{held}/cancel").status_code == 200
        assert _answer_of(waiting)[1]["state"] == "CANCELED"
    disk.clear()
    until(lambda: ballast.look().state is StorageState.OK, "the ballast, by itself", BACK_SECONDS)
    assert line.json("runs", "resume", told["run_id"])["state"] == "SUCCEEDED"
    line("down")
    _assert_whole(line.home)


def _look_around(api: httpx.Client, run_id: str) -> None:
    """What answers while the disk is full, and what is refused with a remedy."""
    health = api.get("/healthz").json()
    assert (health["status"], health["storage"]) == ("ok", "full")
    assert "without a restart" in health["remedy"]
    assert api.get(f"/runs/{run_id}").json()["state"] == "FAILED"
    assert "hello" in api.get(f"/runs/{run_id}/logs", params={"task": "small"}).json()["text"]
    assert [api.get(f"/{each}").status_code for each in ("runs", "models", "reviews", "services")] == [200] * 4
    answer = api.post(f"/runs/{run_id}/resume")
    assert (answer.status_code, answer.json()["error"]) == (507, "storage_full")


def test_without_a_site_a_full_home_can_be_read_and_its_run_goes_on_when_there_is_room(
    line: CommandLine, disk: Disk
) -> None:
    _write(line, "large", _small(), _large(line))
    line("runs", "list")
    (line.folder / "go").touch()
    disk.fill(leave_bytes=6 << 20)  # with all that the ballast gives it is still not enough
    status, told = _answer_of(_client(line, "large"))
    assert (status, told["failure"]["error"], told["failure"]["task"]) == (7, "storage_full", "large")
    disk.clear()
    Ballast(home=open_home(line.home)).restore()
    disk.fill()
    assert "no space left" in line.said("runs", "show", told["run_id"])
    refused(line, "run", "large.json", status=7, says=f"{line.home}: the disk is full")
    disk.clear()
    assert line.json("runs", "resume", told["run_id"])["state"] == "SUCCEEDED"
    _assert_whole(line.home)


@pytest.mark.parametrize("is_on", [True, False], ids=["with ballast", "without"])
def test_a_database_that_nobody_has_open_is_read_and_written_on_a_full_disk(disk: Disk, is_on: bool) -> None:
    home = open_home(disk.folder / "home")
    ballast = Ballast(home=home)
    ballast.keep(RELEASE_BYTES if is_on else 0)
    _site_of(home).database.close()
    disk.fill()
    if not is_on:
        with pytest.raises(StorageFull, match="the disk is full"):
            _read_and_write(home, ballast)
        return
    _read_and_write(home, ballast)
    assert ballast.look().state is StorageState.FULL


def _read_and_write(home: Home, ballast: Ballast) -> None:
    site = _site_of(home, ballast)
    try:
        with site.database.read() as connection:
            assert connection.execute(select(run_rows.c.id)).all() == []
        ensure_namespace(site, "default", created_by="test")
    finally:
        site.database.close()


def test_a_run_whose_commit_finds_no_room_fails_and_is_resumed_with_nothing_half_written(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    fired: list[StorageFull] = []

    def noted(*given: Any) -> None:
        try:
            write_changes(*given)
        except StorageFull as problem:
            fired.append(problem)
            raise

    monkeypatch.setattr(worker_module, "_FAULT_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(driver, "write_changes", noted)
    site = _site_of(open_home(disk.folder / "home"))
    namespace = ensure_namespace(site, "default", created_by="test")
    actor = Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))
    size = 1 << 20  # six times that in the database, as JSON
    script = f"""head -c {size} /dev/zero | tr '\\000' '\\001' > "$0"; echo kept > "$1\""""
    outputs = ["{{$.outputs.parameters['text'].output_file}}", "{{$.outputs.artifacts['table'].path}}"]
    step = Step(
        name="make", command=["sh", "-c", script, *outputs], outputs={"text": str}, files={"table": "system.Dataset"}
    )
    worker = open_worker(site, WorkerOptions(slots=1))
    try:
        warm = submit_run(site, actor, RunRequest(pipeline=pipeline_of(_small())))
        assert worker.run_until_done(warm.id) is State.SUCCEEDED
        run = submit_run(site, actor, RunRequest(pipeline=pipeline_of(step)))
        disk.fill(leave_bytes=3 * size)
        assert worker.run_until_done(run.id) is State.FAILED
        failure = get_run(site, actor, run.id).failure
        assert failure is not None
        assert (failure.error, failure.task) == ("storage_full", "make")
        assert "no space left" in failure.message
        assert any("the database cannot grow" in problem.message for problem in fired), "the fault did not fire"
        disk.clear()
        resume_run(site, actor, run.id)
        assert worker.run_until_done(run.id) is State.SUCCEEDED
        assert run_output(site, actor, run.id, "make.text") == "\x01" * size
        table = run_output(site, actor, run.id, "make.table")
        assert isinstance(table, Artifact)
        verify(site, table)
    finally:
        worker.close()
        site.database.close()
    _assert_whole(site.home.path)


def test_the_prediction_log_counts_what_it_drops_and_goes_on_with_whole_lines(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill.monitoring.spool.FREE_FLOOR_BYTES", 0)
    monkeypatch.setattr("tidemill.monitoring.spool.SYNC_SECONDS", 0.0)
    spool = Spool(disk.folder / "spool")
    spool.append(b'{"number": 1}\n')
    disk.fill()
    spool.append(b'{"long": "' + b"x" * 100_000 + b'"}\n{"number": 2}\n')
    assert spool.dropped_frames == 2, "the fault did not fire"
    spool.tick()
    disk.clear()
    spool.tick()
    spool.append(b'{"number": 3}\n')
    spool.close()
    (kept,) = (disk.folder / "spool").glob("*.jsonl")
    assert [json.loads(each)["number"] for each in kept.read_text().splitlines()] == [1, 3]
    assert spool.dropped_frames == 2

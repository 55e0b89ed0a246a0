"""A full disk, a log flood and a huge output hurt only the step that makes them."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.artifacts import ingest_bytes
from tidemill.artifacts import store as artifact_tables
from tidemill.artifacts.folder_store import FolderStore
from tidemill.base.errors import StorageFull
from tidemill.base.site import Site
from tidemill.engine import (
    RunRequest,
    State,
    Worker,
    WorkerOptions,
    get_run,
    list_attempts,
    open_worker,
    read_log,
    resume_run,
    store,
    submit_run,
)
from tidemill.engine.testing import Step, pipeline_of

CAP_BYTES = 1 << 20


@pytest.fixture
def actor(site: Site) -> Actor:
    """A person who may run pipelines."""
    for tables in (store, artifact_tables):
        tables.metadata.create_all(site.database.engine)
    namespace = ensure_namespace(site, "default", created_by="test")
    return Actor(person="alan", namespace_id=namespace.id, roles=frozenset({Role.CONTRIBUTOR}))


@pytest.fixture
def worker(site: Site, actor: Actor) -> Iterator[Worker]:
    """A worker that cuts logs at 1 MiB."""
    made = open_worker(site, WorkerOptions(slots=4, log_cap_bytes=CAP_BYTES))
    yield made
    made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(small_disk: Path, tmp_path: Path) -> None:
    blobs = FolderStore(small_disk / "blobs")
    kept = blobs.put(b"small")
    with pytest.raises(StorageFull, match="no room"):
        blobs.put(os.urandom(8 << 20))
    big = tmp_path / "big"
    big.write_bytes(os.urandom(8 << 20))
    with pytest.raises(StorageFull):
        blobs.ingest(big)  # from another file system: copied first
    assert big.exists()
    blobs.verify(kept)
    left = [path for path in (small_disk / "blobs").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in left] == [5]
    with pytest.raises(StorageFull):
        FolderStore(tmp_path / "blobs").materialize(
            FolderStore(tmp_path / "blobs").put(os.urandom(8 << 20)), small_disk / "copy"
        )
    assert not (small_disk / "copy").exists()
    assert blobs.put(b"more").size_bytes == 4


def test_a_step_whose_output_finds_no_room_fails_and_can_be_resumed(
    site: Site, actor: Actor, worker: Worker, small_disk: Path
) -> None:
    small_blobs = small_disk / "blobs"
    worker._tools.blobs = FolderStore(small_blobs)
    script = 'head -c 6000000 /dev/urandom > "$0"'
    step = Step(
        name="make",
        command=["sh", "-c", script, "{{$.outputs.artifacts['table'].path}}"],
        files={"table": "system.Dataset"},
    )
    run = submit_run(site, actor, RunRequest(pipeline=pipeline_of(step)))
    assert worker.run_until_done(run.id) is State.FAILED
    failure = get_run(site, actor, run.id).failure
    assert failure is not None
    assert "no room" in failure.message
    assert [path for path in small_blobs.rglob("*") if path.is_file()] == []
    worker._tools.blobs = FolderStore(site.home.blobs)
    resume_run(site, actor, run.id)
    assert worker.run_until_done(run.id) is State.SUCCEEDED
    ingest_bytes(site, b"still working")


def test_a_log_flood_is_cut_with_a_mark_and_costs_the_worker_no_memory(
    site: Site, actor: Actor, worker: Worker
) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    script = "echo the very first line; yes flooding the log | head -c 300000000; echo the very last line"
    run = submit_run(site, actor, RunRequest(pipeline=pipeline_of(Step(name="flood", command=["sh", "-c", script]))))
    assert worker.run_until_done(run.id) is State.SUCCEEDED
    (attempt,) = list_attempts(site, actor, run.id)
    text = (site.home.logs / attempt.log).read_bytes()
    assert len(text) <= CAP_BYTES + 200
    assert text.startswith(b"the very first line\n")
    assert text.endswith(b"the very last line\n")
    assert b"bytes were cut here" in text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 100 << 10


def test_bytes_that_are_no_text_in_a_log_do_no_harm(site: Site, actor: Actor, worker: Worker) -> None:
    script = r"printf '\000\377\376\033[31m'; head -c 3000000 /dev/zero | tr '\000' 'x'; exit 1"
    run = submit_run(site, actor, RunRequest(pipeline=pipeline_of(Step(name="odd", command=["sh", "-c", script]))))
    assert worker.run_until_done(run.id) is State.FAILED
    failure = get_run(site, actor, run.id).failure
    assert failure is not None
    assert all(len(line) <= 2_000 for line in failure.log_tail)
    assert read_log(site, actor, run.id, "odd").data


def test_a_huge_output_parameter_fails_its_step_alone(site: Site, actor: Actor, worker: Worker) -> None:
    huge = Step(
        name="huge",
        command=[
            "sh",
            "-c",
            'head -c 20000000 /dev/zero | tr "\\000" 1 > "$0"',
            "{{$.outputs.parameters['text'].output_file}}",
        ],
        outputs={"text": str},
    )
    run = submit_run(site, actor, RunRequest(pipeline=pipeline_of(huge, Step(name="other", command=["true"]))))
    assert worker.run_until_done(run.id) is State.FAILED
    failure = get_run(site, actor, run.id).failure
    assert failure is not None
    assert "larger than 16 MiB" in failure.message

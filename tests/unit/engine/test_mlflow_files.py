"""What a step logs with MLflow becomes metrics and an artifact of its task, whatever lies in the folder."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.unit.engine.conftest import Bench

from tidemill.artifacts import Artifact
from tidemill.engine import State, Worker, WorkerOptions, list_metrics, list_tasks, mlflow_files, run_output
from tidemill.engine.launchers import LaunchRequest, MemoryLauncher
from tidemill.engine.mlflow_files import LoggedMetrics, logged_fields, logged_runs, mlflow_variables
from tidemill.engine.testing import FakeEnvironments, Step, pipeline_of


def _write(store: Path, run: str, name: str, *, started: int = 1, **files: str) -> Path:
    folder = store / "0" / run
    folder.mkdir(parents=True)
    (folder / "meta.yaml").write_text(f"lifecycle_stage: active\nrun_name: {name}\nstart_time: {started}\nstatus: 3\n")
    for path, text in files.items():
        place = folder / path.replace("__", "/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder


def _told(points: list[Any]) -> list[tuple[str, float, int]]:
    return [(point.name, point.value, point.step) for point in points]


def test_metrics_are_read_on_line_by_line_as_the_step_goes_on(tmp_path: Path) -> None:
    logged = LoggedMetrics(folder=tmp_path)
    assert logged.read() == []
    folder = _write(tmp_path, "r1", "fit", metrics__val__loss="10 1.0 0\n20 0.5 1\n30 0.2")
    assert _told(logged.read()) == [("val/loss", 1.0, 0), ("val/loss", 0.5, 1)]
    with (folder / "metrics/val/loss").open("a") as file:
        file.write("5 2\n40 nan\n")
    later = _told(logged.read())
    assert later[0] == ("val/loss", 0.25, 2)
    assert math.isnan(later[1][1])
    assert logged.read() == []


def test_later_runs_of_a_step_are_told_apart_from_the_first(tmp_path: Path) -> None:
    _write(tmp_path, "z", "first", started=1, metrics__loss="1 1.0 0\n", params__alpha="0.5")
    _write(tmp_path, "b", "again", started=2, metrics__loss="1 2.0 0\n", params__alpha="<b>")
    _write(tmp_path, "a", "again", started=3, metrics__loss="1 3.0 0\n", tags__who="me", tags__mlflow__user="root")
    assert _told(LoggedMetrics(folder=tmp_path).read()) == [
        ("loss", 1.0, 0), ("again/loss", 2.0, 0), ("again-3/loss", 3.0, 0)
    ]  # fmt: skip
    fields = logged_fields(tmp_path)
    assert fields is not None
    assert fields["params"] == {"alpha": "0.5", "again/alpha": "<b>"}
    assert fields["tags"]["again-3/who"] == "me"


def test_a_folder_full_of_traps_gives_what_is_good_and_no_more(tmp_path: Path) -> None:
    store, secret = tmp_path / "store", tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("1 42.0 0\n")
    good = _write(store, "good", "x" * 10_000, metrics__loss="nonsense\n1\n1 x 0\n1 1.0 z\n1 2.0 0 extra\n")
    os.mkfifo(good / "metrics" / "pipe")
    (good / "metrics" / "link").symlink_to(secret / "key")
    (good / "params").symlink_to(secret)
    (store / "0" / "linked").symlink_to(good)
    deleted = _write(store, "gone", "gone", metrics__loss="1 9.0 0\n")
    (deleted / "meta.yaml").write_text("lifecycle_stage: deleted\nstart_time: 1\n")
    strange = _write(store, "strange", "strange", metrics__loss="1 9.0 0\n")
    (strange / "meta.yaml").write_bytes(b"\xff\xfe" * 100_000)
    (store / "0" / "empty").mkdir()
    assert [value for _, value, _ in _told(LoggedMetrics(folder=store).read())] == [2.0]
    fields = logged_fields(store)
    assert fields is not None
    assert fields["params"] == {}
    (tmp_path / "to").symlink_to(store)
    assert logged_runs(tmp_path / "to") == []
    assert logged_fields(tmp_path / "none") is None


def test_a_flood_of_points_is_read_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_files, "MAX_BYTES", 1_000)
    monkeypatch.setattr(mlflow_files, "_PIECE_BYTES", 100)
    _write(tmp_path, "r", "r", metrics__loss="".join(f"1 1.0 {step}\n" for step in range(1_000)))
    logged = LoggedMetrics(folder=tmp_path)
    assert 80 < len(logged.read()) < 130
    assert logged.read() == []


def _place(request: LaunchRequest) -> Path:
    return Path(unquote(urlsplit(request.environment["MLFLOW_TRACKING_URI"]).path))


def test_a_task_has_what_its_step_logged_and_one_from_the_cache_has_it_too(bench: Bench) -> None:
    def behaviour(request: LaunchRequest) -> int:
        folder = _write(_place(request), "r1", "fit", metrics__loss="1 1.0 0\n2 0.5 1\n", params__alpha="0.5")
        (folder / "artifacts").mkdir()
        (folder / "artifacts" / "note.txt").write_text("hello")
        return 0

    launcher = MemoryLauncher(behaviour)
    worker = Worker(
        bench.site, bench.blobs, launcher, WorkerOptions(poll_seconds=0.01), environments=FakeEnvironments()
    )
    pipeline = pipeline_of(Step(name="train"))
    runs = []
    for _ in range(2):
        run = bench.submit(pipeline)
        assert worker.run_until_done(run.id) is State.SUCCEEDED
        runs.append(run)
    worker.close()
    assert len(launcher.launched) == 1
    for run in runs:
        metrics = list_metrics(bench.site, bench.actor, run.id)
        assert [(each.name, each.value, each.step, each.provisional) for each in metrics] == [
            ("loss", 1.0, 0, False),
            ("loss", 0.5, 1, False),
        ]
        made = run_output(bench.site, bench.actor, run.id, "train.mlflow")
        assert isinstance(made, Artifact)
        assert made.metadata == {"runs": ["fit"], "params": {"alpha": "0.5"}, "tags": {}}
        assert made.content is not None
        assert made.content.size_bytes > 5


def test_a_failed_step_keeps_what_it_logged_as_provisional(bench: Bench) -> None:
    def behaviour(request: LaunchRequest) -> int:
        _write(_place(request), "r1", "fit", metrics__loss="1 1.0 0\n")
        return 1

    worker = Worker(
        bench.site,
        bench.blobs,
        MemoryLauncher(behaviour),
        WorkerOptions(poll_seconds=0.01),
        environments=FakeEnvironments(),
    )
    run = bench.submit(pipeline_of(Step(name="train")))
    assert worker.run_until_done(run.id) is State.FAILED
    worker.close()
    assert [each.provisional for each in list_metrics(bench.site, bench.actor, run.id)] == [True]
    (task,) = list_tasks(bench.site, bench.actor, run.id)
    assert task.output_artifacts == {}


def test_an_address_with_strange_letters_is_one_that_mlflow_reads(tmp_path: Path) -> None:
    told = mlflow_variables(tmp_path / "a b#c?")["MLFLOW_TRACKING_URI"]
    assert unquote(urlsplit(told).path) == str(tmp_path / "a b#c?")

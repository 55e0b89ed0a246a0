"""Commands without pip or kfp run as processes in a private folder; logs can be followed; runs end in time."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tidemill.artifacts import Artifact, read_bytes
from tidemill.engine import State, cancel_run, read_log, resume_run, run_output
from tidemill.engine.testing import Step, pipeline_of
from tidemill.pipelines import Pipeline, load_pipeline


def _shell(name: str, script: str, **more: Any) -> Step:
    return Step(name=name, command=["sh", "-c", script], is_cached=False, **more)


def _log(works: Any, run: Any, task: str) -> str:
    text: str = read_log(works.site, works.actor, run.id, task).data.decode()
    return text


def test_a_command_has_its_own_folder_home_and_temporary_folder(works: Any) -> None:
    script = 'pwd; echo "$HOME"; echo "$TMPDIR"; echo "$TIDEMILL_RUN_ID"; '
    script += 'ls -A . "$HOME" "$TMPDIR" | grep -v : | tr -d "\\n"'
    run = works.run(pipeline_of(_shell("look", script)))
    lines = _log(works, run, "look").splitlines()
    home = str(works.site.home.work)
    assert [line.startswith(home) for line in lines[:3]] == [True, True, True]
    assert len(set(lines[:3])) == 3
    assert lines[3] == run.id
    assert "".join(lines[4:]) == ""
    assert any("no container was used" in notice for notice in run.notices)


def test_files_and_parameters_travel_by_placeholders(works: Any) -> None:
    make = Step(
        name="make",
        command=["sh", "-c", 'printf rows > "$0"; printf 7 > "$1"'],
        outputs={"count": int},
        files={"table": "system.Dataset"},
    )
    spec = json.loads(json.dumps(pipeline_of(make).raw))
    container = spec["deploymentSpec"]["executors"]["exec-make"]["container"]
    container["args"] = ["{{$.outputs.artifacts['table'].path}}", "{{$.outputs.parameters['count'].output_file}}"]
    run = works.run(load_pipeline(json.dumps(spec), place="spec"))
    assert run.state is State.SUCCEEDED, run.failure
    assert run_output(works.site, works.actor, run.id, "make.count") == 7
    table = run_output(works.site, works.actor, run.id, "make.table")
    assert isinstance(table, Artifact)
    assert table.content is not None
    assert read_bytes(works.site, table.content) == b"rows"


def test_python_is_that_of_the_steps_own_venv(works: Any) -> None:
    run = works.run(pipeline_of(Step(name="which", command=["python3", "-c", "import sys; print(sys.prefix)"])))
    assert _log(works, run, "which").startswith(str(works.site.home.venvs))


def test_a_failure_shows_the_end_of_the_log_and_how_to_resume(works: Any, tmp_path: Path) -> None:
    marker = tmp_path / "mended"
    script = f"for i in $(seq 50); do echo line $i; done; test -e {marker}"
    run = works.run(pipeline_of(_shell("first", "echo once"), _shell("bad", script, after=["first"])))
    assert run.state is State.FAILED
    assert run.failure.log_tail[-1] == "line 50"
    assert len(run.failure.log_tail) == 20
    marker.touch()
    resume_run(works.site, works.actor, run.id)
    assert works.worker.run_until_done(run.id) is State.SUCCEEDED
    assert works.tasks(run)["first"].attempts == 1
    assert works.tasks(run)["bad"].attempts == 2


def test_our_step_runtime_can_say_which_cell_failed(works: Any) -> None:
    said = {
        "message": "name 'x' is not defined",
        "notebook": "fuel.ipynb",
        "cell": "train",
        "line": 3,
        "traceback": "tb",
    }
    code = (
        "import json, os, sys; given = json.loads(sys.argv[1]);"
        "folder = os.path.dirname(given['outputs']['outputFile']);"
        f"json.dump({said!r}, open(os.path.join(folder, 'failure.json'), 'w')); sys.exit(1)"
    )
    run = works.run(pipeline_of(Step(name="train", command=["python3", "-c", code, "{{$}}"])))
    assert (run.failure.message, run.failure.notebook, run.failure.cell, run.failure.line) == (
        "name 'x' is not defined",
        "fuel.ipynb",
        "train",
        3,
    )


def test_a_log_can_be_followed_line_by_line_while_the_step_runs(works: Any, tmp_path: Path) -> None:
    go = tmp_path / "go"
    run = works.submit(
        pipeline_of(_shell("talk", f"echo first; while ! test -e {go}; do sleep 0.01; done; echo second"))
    )
    seen: list[Any] = []

    def follow() -> None:
        deadline = time.monotonic() + 20
        piece = read_log(works.site, works.actor, run.id, "talk") if _has_task(works, run) else None
        while piece is None or not piece.data:
            assert time.monotonic() < deadline
            time.sleep(0.01)
            piece = read_log(works.site, works.actor, run.id, "talk") if _has_task(works, run) else None
        seen.append(piece)
        go.touch()

    thread = threading.Thread(target=follow)
    thread.start()
    assert works.worker.run_until_done(run.id) is State.SUCCEEDED
    thread.join()
    assert seen[0].data == b"first\n"
    assert not seen[0].is_complete
    rest = read_log(works.site, works.actor, run.id, "talk", offset_bytes=seen[0].next_offset_bytes)
    assert (rest.data, rest.is_complete) == (b"second\n", True)


def _has_task(works: Any, run: Any) -> bool:
    return "talk" in works.tasks(run)


def test_steps_that_need_nothing_of_each_other_run_at_the_same_time(works: Any) -> None:
    steps = [_shell(f"nap{number}", "sleep 0.5") for number in range(8)]
    works.run(pipeline_of(_shell("warm", "true")))
    before = time.monotonic()
    run = works.run(pipeline_of(*steps), parallelism=8)
    assert run.state is State.SUCCEEDED
    assert time.monotonic() - before < 3.0  # one after the other they take 4 s


def _importer(uri: str) -> Pipeline:
    spec = {
        "pipelineInfo": {"name": "import"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.13.0",
        "root": {"dag": {"tasks": {"importer": {"taskInfo": {"name": "importer"}, "componentRef": {"name": "comp"}}}}},
        "components": {
            "comp": {
                "executorLabel": "exec",
                "outputDefinitions": {
                    "artifacts": {
                        "artifact": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
                    }
                },
            }
        },
        "deploymentSpec": {
            "executors": {
                "exec": {
                    "importer": {
                        "artifactUri": {"constant": uri},
                        "typeSchema": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
                    }
                }
            }
        },
    }
    return load_pipeline(json.dumps(spec), place="spec")


def test_an_importer_takes_a_copy_of_a_local_file(works: Any, tmp_path: Path) -> None:
    source = tmp_path / "cars.csv"
    source.write_text("a,b\n")
    run = works.run(_importer(str(source)))
    assert run.state is State.SUCCEEDED, run.failure
    made = run_output(works.site, works.actor, run.id, "importer.artifact")
    assert isinstance(made, Artifact)
    assert made.content is not None
    assert read_bytes(works.site, made.content) == b"a,b\n"
    assert source.exists()


@pytest.mark.parametrize("uri", ["s3://bucket/key", "relative/path", "/does/not/exist", "HOME/keys", "HOME/state.db"])
def test_an_importer_refuses_what_is_not_a_local_file_of_the_user(works: Any, uri: str) -> None:
    run = works.run(_importer(uri.replace("HOME", str(works.site.home.path))))
    assert run.state is State.FAILED
    assert run.failure.task == "importer"


def test_the_folders_of_a_run_are_gone_after_it(works: Any) -> None:
    run = works.run(pipeline_of(_shell("only", "touch file")))
    deadline = time.monotonic() + 10
    while (works.site.home.work / run.id).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancel_ends_a_step_and_all_that_it_started(works: Any, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"setsid sh -c 'trap \"\" TERM; echo $$ > {pid_file}; while :; do sleep 0.05; done' & wait; sleep 60"
    run = works.submit(pipeline_of(_shell("stubborn", script)))

    def cancel() -> None:
        deadline = time.monotonic() + 20
        while not (pid_file.exists() and pid_file.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        cancel_run(works.site, works.actor, run.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert works.worker.run_until_done(run.id) is State.CANCELED
    thread.join()
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()

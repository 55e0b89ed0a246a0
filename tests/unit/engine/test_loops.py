"""Loops and nested DAGs: own values, empty lists, failures, resume and takeover in the middle."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from tidemill.base.errors import NotFound
from tidemill.base.process import start_ticks
from tidemill.engine import State, claims, get_run, list_tasks, resume_run, run_output
from tidemill.engine.launchers.memory import Hang
from tidemill.engine.level import run_level, state_of
from tidemill.engine.store import worker_rows
from tidemill.pipelines import Pipeline, load_pipeline

NUMBER = {"parameterType": "NUMBER_INTEGER"}
NUMBERS = {"parameterType": "LIST"}


def _step(name: str) -> dict[str, Any]:
    return {
        "executorLabel": f"exec-{name}",
        "inputDefinitions": {"parameters": {"number": NUMBER, "base": {**NUMBER, "isOptional": True}}},
        "outputDefinitions": {"parameters": {"number": NUMBER}},
    }


def _task(name: str, number: dict[str, Any], *, after: list[str] | None = None) -> dict[str, Any]:
    base = {"componentInputParameter": "base"}
    return {
        "taskInfo": {"name": name},
        "componentRef": {"name": f"comp-{name}"},
        "inputs": {"parameters": {"number": number, "base": base}},
        "dependentTasks": after or [],
    }


def loop_pipeline(parallelism: int | None = None) -> Pipeline:
    """`first` → a loop over the run's `items`: `work` → `check` in each pass; the loop gives the list of checks."""
    inner = {
        "work": _task("work", {"componentInputParameter": "item"}),
        "check": _task(
            "check",
            {"taskOutputParameter": {"producerTask": "work", "outputParameterKey": "number"}},
            after=["work"],
        ),
    }
    loop: dict[str, Any] = {
        "taskInfo": {"name": "loop"},
        "componentRef": {"name": "comp-loop"},
        "dependentTasks": ["first"],
        "inputs": {
            "parameters": {
                "items": {"componentInputParameter": "items"},
                "base": {"taskOutputParameter": {"producerTask": "first", "outputParameterKey": "number"}},
            }
        },
        "parameterIterator": {"itemInput": "item", "items": {"inputParameter": "items"}},
    }
    if parallelism is not None:
        loop["iteratorPolicy"] = {"parallelismLimit": parallelism}
    collected = {"valueFromParameter": {"outputParameterKey": "number", "producerSubtask": "check"}}
    spec = {
        "pipelineInfo": {"name": "looping"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.13.0",
        "root": {
            "inputDefinitions": {"parameters": {"items": NUMBERS}},
            "dag": {"tasks": {"first": _first(), "loop": loop}},
        },
        "components": {
            "comp-first": _step("first"),
            "comp-work": _step("work"),
            "comp-check": _step("check"),
            "comp-loop": {
                "inputDefinitions": {"parameters": {"items": NUMBERS, "item": NUMBER, "base": NUMBER}},
                "outputDefinitions": {"parameters": {"checked": NUMBERS}},
                "dag": {"tasks": inner, "outputs": {"parameters": {"checked": collected}}},
            },
        },
        "deploymentSpec": {
            "executors": {
                f"exec-{name}": {"container": {"image": "python:3.11", "command": ["fake-program", name, "{{$}}"]}}
                for name in ("first", "work", "check")
            }
        },
    }
    return load_pipeline(json.dumps(spec), place="spec")


def _first() -> dict[str, Any]:
    return {
        "taskInfo": {"name": "first"},
        "componentRef": {"name": "comp-first"},
        "inputs": {"parameters": {"number": {"runtimeValue": {"constant": 100}}}},
    }


@pytest.fixture
def programs(bench: Any) -> dict[str, Any]:
    """`first` gives 100, `work` adds the base to its item, `check` hands on."""
    found: dict[str, Any] = bench.programs.programs
    found.update(
        first=lambda given: {"number": given["number"]},
        work=lambda given: {"number": given["number"] + given["base"]},
        check=lambda given: {"number": given["number"]},
    )
    return found


@pytest.mark.parametrize("parallelism", [None, 1, 2])
def test_each_pass_has_its_own_values_and_the_list_keeps_their_order(
    bench: Any, programs: dict[str, Any], parallelism: int | None
) -> None:
    run = bench.run(loop_pipeline(parallelism), parameters={"items": [3, 1, 2]})
    assert run.state is State.SUCCEEDED, run.failure
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == [103, 101, 102]
    assert run_output(bench.site, bench.actor, run.id, "loop[1]/work.number") == 101


def test_an_empty_list_is_no_pass_and_an_empty_result(bench: Any, programs: dict[str, Any]) -> None:
    run = bench.run(loop_pipeline(), parameters={"items": []})
    assert run.state is State.SUCCEEDED
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == []
    assert bench.programs.calls == ["first"]


def test_more_passes_than_are_open_at_a_time_work(bench: Any, programs: dict[str, Any]) -> None:
    run = bench.run(loop_pipeline(), parameters={"items": list(range(100))})
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == [100 + number for number in range(100)]
    assert len(list_tasks(bench.site, bench.actor, run.id)) == 2 + 100 * 3


def test_parallelism_holds_back_the_other_passes(bench: Any, programs: dict[str, Any]) -> None:
    programs["work"] = lambda _: Hang()
    run = bench.submit(loop_pipeline(2), parameters={"items": [1, 2, 3]})
    worker = bench.worker()
    worker._claim(run.id)
    while "work" not in bench.programs.calls:
        worker._turn(wait_seconds=0.01)
    paths = [task.path for task in list_tasks(bench.site, bench.actor, run.id)]
    assert "loop[1]" in paths
    assert "loop[2]" not in paths


def test_a_failed_pass_fails_the_loop_and_resume_runs_that_pass_alone(bench: Any, programs: dict[str, Any]) -> None:
    programs["check"] = lambda given: 1 if given["number"] == 102 else {"number": given["number"]}
    run = bench.run(loop_pipeline(), parameters={"items": [1, 2, 3]}, caching=False)
    assert run.state is State.FAILED
    assert run.failure is not None
    assert run.failure.task == "loop[1]/check"
    programs["check"] = lambda given: {"number": given["number"]}
    bench.programs.calls.clear()
    resume_run(bench.site, bench.actor, run.id)
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert bench.programs.calls == ["check"]
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == [101, 102, 103]
    assert len(list_tasks(bench.site, bench.actor, run.id)) == 2 + 3 * 3


def test_another_worker_takes_up_a_loop_in_the_middle(bench: Any, programs: dict[str, Any]) -> None:
    programs["check"] = lambda given: Hang() if given["number"] == 102 else {"number": given["number"]}
    run = bench.submit(loop_pipeline(2), parameters={"items": [1, 2, 3, 4]}, caching=False)
    first = bench.worker()
    first._claim(run.id)
    while bench.programs.calls.count("check") < 4:
        first._turn(wait_seconds=0.01)
    for _ in range(5):
        first._turn(wait_seconds=0.01)
    with bench.site.database.write() as connection:
        connection.execute(worker_rows.update().values(start_ticks=(start_ticks(os.getpid()) or 0) + 1))
    programs["check"] = lambda given: {"number": given["number"]}
    bench.programs.calls.clear()
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert bench.programs.calls == ["check"]
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == [101, 102, 103, 104]


def test_a_worker_that_stops_lets_another_go_on_at_once(bench: Any, programs: dict[str, Any]) -> None:
    programs["work"] = lambda _: Hang()
    run = bench.submit(loop_pipeline(), parameters={"items": [1]})
    first = bench.worker()
    first._claim(run.id)
    while "work" not in bench.programs.calls:
        first._turn(wait_seconds=0.01)
    claims.stop_worker(bench.site, first.id)
    programs["work"] = lambda given: {"number": given["number"]}
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert get_run(bench.site, bench.actor, run.id).state is State.SUCCEEDED


def test_items_that_are_no_list_fail_the_loop_with_its_name(bench: Any, programs: dict[str, Any]) -> None:
    raw = json.loads(json.dumps(dict(loop_pipeline().raw)))
    raw["root"]["inputDefinitions"]["parameters"]["items"] = {"parameterType": "STRING"}
    raw["components"]["comp-loop"]["inputDefinitions"]["parameters"]["items"] = {"parameterType": "STRING"}
    pipeline = load_pipeline(json.dumps(raw), place="spec")
    run = bench.run(pipeline, parameters={"items": "[1, 2]"})
    assert run_output(bench.site, bench.actor, run.id, "loop.checked") == [101, 102]
    run = bench.run(pipeline, parameters={"items": "no list"})
    assert run.state is State.FAILED
    assert run.failure is not None
    assert "loop" in run.failure.message


def test_the_graph_of_a_level_tells_who_waits_for_whom_and_leads_into_loops(bench: Any, programs: Any) -> None:
    run = bench.submit(loop_pipeline(), parameters={"items": [1, 2, 3]})
    before = run_level(bench.site, bench.actor, run.id)
    assert [(node.name, node.task) for node in before.nodes] == [("first", None), ("loop", None)]
    bench.worker().run_until_done(run.id)
    top = run_level(bench.site, bench.actor, run.id)
    assert [(node.name, state_of(node)) for node in top.nodes] == [
        ("first", State.SUCCEEDED),
        ("loop", State.SUCCEEDED),
    ]
    assert (top.edges, top.nodes[1].inside) == ((("first", "loop"),), {"SUCCEEDED": 3})
    assert top.nodes[1].task is not None
    loop = run_level(bench.site, bench.actor, run.id, top.nodes[1].task.id)
    assert [node.display_name for node in loop.nodes] == ["loop[0]", "loop[1]", "loop[2]"]
    assert loop.nodes[1].task is not None
    one = run_level(bench.site, bench.actor, run.id, loop.nodes[1].task.id)
    assert one.edges == (("work", "check"),)
    assert [task.path for task in one.way] == ["loop", "loop[1]"]
    assert one.nodes[0].task is not None
    assert one.nodes[0].task.parameters["number"] == 2
    with pytest.raises(NotFound):
        run_level(bench.site, bench.actor, run.id, "nobody")

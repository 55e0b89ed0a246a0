"""Specs that the released kfp compiled run as they do on a cluster, and right where kfp.local is wrong."""

from __future__ import annotations

from typing import Any

from tidemill.artifacts import Artifact
from tidemill.engine import State, list_metrics, run_output


def _states(works: Any, run: Any) -> dict[str, State]:
    return {path: task.state for path, task in works.tasks(run).items()}


def test_lightweight_components_with_every_parameter_type_artifacts_and_metrics(works: Any) -> None:
    run = works.run(works.fixture("lightweight"), parameters={"text": "ab"})
    assert run.state is State.SUCCEEDED, run.failure
    assert run.outputs["parameters"] == {"Output": "2: 4"}
    made = works.tasks(run)["produce"].output_parameters
    assert made == {"label": "none", "total": 2, "values": [1, 2, 3]}
    assert all(type(one) is int for one in made["values"])
    assert {metric.name: metric.value for metric in list_metrics(works.site, works.actor, run.id)} == {"rate": 0.5}
    table = run_output(works.site, works.actor, run.id, "produce.table")
    assert isinstance(table, Artifact)
    assert table.type == "system.Dataset"


def test_a_loop_task_with_an_upstream_output_gets_its_own_values(works: Any) -> None:
    run = works.run(works.fixture("loops"))
    assert run.state is State.SUCCEEDED, run.failure
    tasks = works.tasks(run)
    doubles = [tasks[f"for-loop-2[{index}]/double"].output_parameters["Output"] for index in range(3)]
    assert doubles == [102, 104, 106]
    nested = tasks["for-loop-3"].output_parameters["pipelinechannel--double-2-Output"]
    assert nested == [[21, 41], [22, 42]]


def test_collected_over_a_condition_collects_what_ran(works: Any) -> None:
    run = works.run(works.fixture("loops"))
    tasks = works.tasks(run)
    assert tasks["for-loop-9[0]/condition-10"].state is State.SUCCEEDED
    assert tasks["for-loop-9[1]/condition-10"].state is State.SKIPPED
    assert len(tasks["for-loop-9"].output_artifacts["pipelinechannel--write-page"]) == 2


def test_conditions_take_one_branch_and_one_of_hands_on_its_outputs(works: Any) -> None:
    run = works.run(works.fixture("conditions"))
    assert run.state is State.SUCCEEDED, run.failure
    states = _states(works, run)
    branches = [states[f"condition-branches-1/condition-{number}"] for number in (2, 3, 4)]
    assert branches == [State.SUCCEEDED, State.SKIPPED, State.SKIPPED]
    assert run.outputs["parameters"] == {"Output": "heads"}
    assert states["look"] is State.SUCCEEDED


def test_an_exit_handler_runs_after_a_failure_and_is_told_of_it(works: Any) -> None:
    run = works.run(works.fixture("exits"))
    assert run.state is State.FAILED
    assert run.failure.task == "exit-handler-1/fail"
    assert "ValueError: on purpose" in run.failure.message
    tasks = works.tasks(run)
    assert tasks["clean-up"].state is State.SUCCEEDED
    status = tasks["clean-up"].parameters["status"]
    assert (status["state"], status["pipelineTaskName"]) == ("FAILED", "exit-handler-1")
    assert "on purpose" in status["error"]["message"]
    assert tasks["exit-handler-1/carry-on"].state is State.SUCCEEDED  # ignore_upstream_failure


def test_nested_pipelines_take_an_artifact_of_an_earlier_run(works: Any) -> None:
    made = works.run(works.fixture("lightweight"), parameters={"text": "nested"})
    table = works.tasks(made)["produce"].output_artifacts["table"][0]
    run = works.run(works.fixture("nested"), artifacts={"data": table})
    assert run.state is State.SUCCEEDED, run.failure
    assert any(task.kind == "dag" and task.state is State.SUCCEEDED for task in works.tasks(run).values())


def test_a_second_run_of_everything_comes_from_the_cache(works: Any) -> None:
    works.run(works.fixture("conditions"))
    run = works.run(works.fixture("conditions"))
    steps = [task for task in works.tasks(run).values() if task.kind == "container"]
    assert all(task.cached for task in steps if task.state is State.SUCCEEDED)

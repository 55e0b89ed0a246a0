"""Runs of plain steps: order, outputs, failure, retry, cache, cancel, resume."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from tests.conftest import FixedClock

from tidemill.artifacts import Artifact, lineage_of
from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.base.events import events_of
from tidemill.engine import (
    State,
    cancel_run,
    get_run,
    list_attempts,
    list_metrics,
    list_runs,
    list_tasks,
    resume_run,
    run_output,
)
from tidemill.engine.graph import RunGraph
from tidemill.engine.launchers.memory import Hang
from tidemill.engine.launchers.model import Exited
from tidemill.engine.testing import Step, pipeline_of
from tidemill.pipelines import load_pipeline

CHAIN = (
    Step(name="first", outputs={"number": int}),
    Step(name="second", inputs={"number": "@first.number"}, outputs={"number": int}),
    Step(name="third", inputs={"number": "@second.number"}, outputs={"number": int}),
)


def test_a_chain_hands_values_from_step_to_step(bench: Any) -> None:
    bench.programs.programs.update(
        first=lambda _: {"number": 1},
        second=lambda given: {"number": given["number"] + 10},
        third=lambda given: {"number": given["number"] + 100},
    )
    run = bench.run(pipeline_of(*CHAIN))
    assert run.state is State.SUCCEEDED
    assert bench.programs.calls == ["first", "second", "third"]
    assert run_output(bench.site, bench.actor, run.id, "third.number") == 111
    assert run.finished_at is not None


def test_a_missing_output_is_named_where_it_is_needed(bench: Any) -> None:
    run = bench.run(pipeline_of(*CHAIN))
    assert run.state is State.FAILED
    assert run.failure is not None
    assert "was not given by the task 'first'" in run.failure.message
    with pytest.raises(NotFound, match="no output"):
        run_output(bench.site, bench.actor, run.id, "first.number")


def test_a_failing_step_fails_the_run_and_skips_what_comes_after_it(bench: Any) -> None:
    steps = (
        Step(name="good"),
        Step(name="bad"),
        Step(name="after", after=["bad"]),
        Step(name="always", after=["bad"], runs_always=True),
    )
    bench.programs.programs["bad"] = lambda _: 3
    run = bench.run(pipeline_of(*steps))
    assert run.state is State.FAILED
    assert run.failure is not None
    assert run.failure.task == "bad"
    assert "status 3" in run.failure.message
    assert f"tidemill runs resume {run.id}" in (run.failure.remedy or "")
    assert bench.states(run) == {
        "good": State.SUCCEEDED,
        "bad": State.FAILED,
        "after": State.SKIPPED,
        "always": State.SUCCEEDED,
    }


def test_a_step_is_tried_again_as_often_as_its_policy_says(bench: Any) -> None:
    tries: list[int] = []

    def shaky(_: dict[str, Any]) -> int:
        tries.append(1)
        return 0 if len(tries) == 3 else 1

    bench.programs.programs["shaky"] = shaky
    run = bench.run(pipeline_of(Step(name="shaky", retries=2)))
    assert run.state is State.SUCCEEDED
    attempts = list_attempts(bench.site, bench.actor, run.id)
    assert [one.state for one in attempts] == [State.FAILED, State.FAILED, State.SUCCEEDED]
    assert [one.number for one in attempts] == [1, 2, 3]


def test_a_file_becomes_an_artifact_with_lineage(bench: Any) -> None:
    steps = (
        Step(name="make", files={"table": "system.Dataset"}),
        Step(name="use", input_files={"source": "@make.table"}, files={"copy": "system.Dataset"}),
    )

    def use(given: dict[str, Any]) -> None:
        text = given["source"].read_text()
        given["source"].write_text("spoiled")  # a step owns its inputs
        given["copy"].write_text(text + "!")

    bench.programs.programs.update(make=lambda given: given["table"].write_text("rows") and None, use=use)
    run = bench.run(pipeline_of(*steps))
    made, copied = (run_output(bench.site, bench.actor, run.id, name) for name in ("make.table", "use.copy"))
    assert isinstance(made, Artifact)
    assert isinstance(copied, Artifact)
    assert bench.blobs.blobs[made.digest] == b"rows"
    assert bench.blobs.blobs[copied.digest] == b"rows!"
    assert [one.id for one in lineage_of(bench.site, bench.actor, copied.id).sources] == [made.id]


def test_a_second_run_is_served_from_the_cache_and_says_so(bench: Any) -> None:
    steps = (
        Step(name="make", files={"table": "system.Dataset"}, outputs={"rows": int}),
        Step(name="use", input_files={"source": "@make.table"}),
    )

    def make(given: dict[str, Any]) -> dict[str, int]:
        given["table"].write_text("rows")
        return {"rows": 4}

    bench.programs.programs["make"] = make
    first = bench.run(pipeline_of(*steps))
    second = bench.run(pipeline_of(*steps))
    assert bench.programs.calls == ["make", "use"]
    assert [task.cached for task in list_tasks(bench.site, bench.actor, second.id)] == [True, True]
    outputs = [run_output(bench.site, bench.actor, run.id, "make.table").id for run in (first, second)]
    assert outputs[0] == outputs[1]
    third = bench.run(pipeline_of(*steps), caching=False)
    assert third.state is State.SUCCEEDED
    assert bench.programs.calls == ["make", "use", "make", "use"]


def test_the_cache_goes_by_content_and_not_by_who_made_it(bench: Any) -> None:
    def steps(number: int) -> tuple[Step, ...]:
        return (
            Step(name="make", inputs={"number": number}, files={"table": "system.Dataset"}),
            Step(name="use", input_files={"source": "@make.table"}),
        )

    bench.programs.programs["make"] = lambda given: given["table"].write_text(str(given["number"] % 2)) and None
    for number in (1, 3, 4):
        bench.run(pipeline_of(*steps(number)))
    assert bench.programs.calls == ["make", "use", "make", "make", "use"]


def test_a_cached_output_whose_blob_is_gone_is_made_again(bench: Any) -> None:
    step = Step(name="make", files={"table": "system.Dataset"})
    bench.programs.programs["make"] = lambda given: given["table"].write_text("rows") and None
    bench.run(pipeline_of(step))
    bench.blobs.blobs.clear()
    bench.run(pipeline_of(step))
    assert bench.programs.calls == ["make", "make"]


def test_a_damaged_input_fails_the_step_that_needs_it_and_names_the_digest(bench: Any) -> None:
    steps = (
        Step(name="make", files={"table": "system.Dataset"}),
        Step(name="use", input_files={"source": "@make.table"}, after=["spoil"], is_cached=False),
        Step(name="spoil", after=["make"], is_cached=False),
    )

    def spoil(_: dict[str, Any]) -> None:
        for digest in bench.blobs.blobs:
            bench.blobs.blobs[digest] = b"other"

    bench.programs.programs.update(make=lambda given: given["table"].write_text("rows") and None, spoil=spoil)
    run = bench.run(pipeline_of(*steps))
    assert run.failure is not None
    assert run.failure.task == "use"
    assert "sha256:" in run.failure.message
    assert "use" not in bench.programs.calls


def test_resume_runs_only_what_did_not_finish(bench: Any) -> None:
    bench.programs.programs.update(first=lambda _: {"number": 1}, second=lambda _: 1, third=lambda _: {"number": 3})
    run = bench.run(pipeline_of(*CHAIN), caching=False)
    assert run.state is State.FAILED
    bench.programs.programs["second"] = lambda _: {"number": 2}
    resumed = resume_run(bench.site, bench.actor, run.id)
    assert resumed.state is State.PENDING
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert bench.programs.calls == ["first", "second", "second", "third"]
    assert len(list_tasks(bench.site, bench.actor, run.id)) == 3
    with pytest.raises(Conflict, match="SUCCEEDED"):
        resume_run(bench.site, bench.actor, run.id)


def test_resume_runs_again_what_comes_after_a_task_that_runs_again(bench: Any) -> None:
    steps = (Step(name="bad"), Step(name="report", after=["bad"], runs_always=True))
    bench.programs.programs["bad"] = lambda _: 1
    run = bench.run(pipeline_of(*steps), caching=False)
    bench.programs.programs["bad"] = lambda _: 0
    resume_run(bench.site, bench.actor, run.id)
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED
    assert bench.programs.calls == ["bad", "report", "bad", "report"]


def test_a_run_that_waits_for_a_worker_can_be_cancelled(bench: Any) -> None:
    run = bench.submit(pipeline_of(*CHAIN))
    cancel_run(bench.site, bench.actor, run.id)
    assert bench.worker().run_until_done(run.id) is State.CANCELED
    assert bench.programs.calls == []
    with pytest.raises(Conflict):
        cancel_run(bench.site, bench.actor, run.id)


@pytest.mark.parametrize("ignores_term", [False, True])
def test_cancel_ends_the_step_that_runs_and_starts_no_more(bench: Any, ignores_term: bool) -> None:
    asked = threading.Event()

    def hang(_: dict[str, Any]) -> Hang:
        asked.set()
        return Hang(ignores_term=ignores_term)

    bench.programs.programs["first"] = hang
    run = bench.submit(pipeline_of(*CHAIN))

    def cancel() -> None:
        asked.wait(5)
        cancel_run(bench.site, bench.actor, run.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert bench.worker().run_until_done(run.id) is State.CANCELED
    thread.join()
    assert set(bench.states(run).values()) == {State.CANCELED}
    assert bench.programs.calls == ["first"]
    resume_run(bench.site, bench.actor, run.id)
    bench.programs.programs["first"] = lambda _: {"number": 1}
    bench.programs.programs["second"] = bench.programs.programs["third"] = lambda given: {"number": given["number"]}
    assert bench.worker().run_until_done(run.id) is State.SUCCEEDED


def test_a_step_that_takes_too_long_is_ended_and_says_how_long(bench: Any) -> None:
    bench.programs.programs["slow"] = lambda _: Hang()
    run = bench.submit(pipeline_of(Step(name="slow")))
    assert bench.worker(timeout_seconds=0.05).run_until_done(run.id) is State.FAILED
    failure = get_run(bench.site, bench.actor, run.id).failure
    assert failure is not None
    assert "longer than its 0.05 s" in failure.message


def test_not_more_steps_run_at_a_time_than_there_are_slots(bench: Any) -> None:
    running: list[str] = []
    most: list[int] = []

    def note(name: str) -> Any:
        def program(_: dict[str, Any]) -> Hang:
            running.append(name)
            most.append(len(running))
            return Hang()

        return program

    names = [f"step{number}" for number in range(6)]
    bench.programs.programs.update({name: note(name) for name in names})
    worker = bench.worker(slots=2)
    launcher = worker._launcher
    plain_events = launcher.events

    def finishing_events(timeout_seconds: float) -> Any:
        for request in list(launcher.launched):
            if request.key in launcher._hanging and len(launcher._hanging) == min(2, len(names)):
                launcher.finish(request.key, 0)
                running.pop()
                names.pop()
                break
        return plain_events(timeout_seconds)

    launcher.events = finishing_events
    run = bench.submit(pipeline_of(*(Step(name=name) for name in names), name="fan"))
    assert worker.run_until_done(run.id) is State.SUCCEEDED
    assert max(most) == 2
    assert len(most) == 6


def test_a_worker_with_a_step_that_takes_long_takes_another_run_meanwhile(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.programs.programs["long"] = lambda _: Hang()
    bench.submit(pipeline_of(Step(name="long")))
    worker = bench.worker(poll_seconds=0.05)
    clock = FixedClock()
    monkeypatch.setattr(worker, "_now", clock.monotonic_seconds)

    def wait(seconds: float) -> list[Exited]:
        clock.advance(seconds)
        return []

    monkeypatch.setattr(worker._launcher, "events", wait)

    class Looks:
        """Counts the worker's turns; a second run is submitted when the first is under way."""

        count = 0

        def is_set(self) -> bool:
            self.count += 1
            if self.count == 5:
                bench.submit(pipeline_of(Step(name="short")))
            return "short" in bench.programs.calls or self.count > 20

    worker.serve(Looks())
    assert bench.programs.calls == ["long", "short"]


def test_metrics_written_while_a_step_runs_are_confirmed_when_it_succeeds(bench: Any) -> None:
    def train(given: dict[str, Any]) -> None:
        folder = given["model"].parent.parent.parent
        (folder / "metrics.jsonl").write_text('{"name": "loss", "value": 0.5, "step": 3}\n{"name": "bad"}\nnonsense\n')
        given["model"].write_text("weights")

    bench.programs.programs["train"] = train
    run = bench.run(pipeline_of(Step(name="train", files={"model": "system.Model"})))
    (metric,) = list_metrics(bench.site, bench.actor, run.id)
    assert (metric.task, metric.name, metric.value, metric.step) == ("train", "loss", 0.5, 3)
    assert not metric.provisional
    again = bench.run(pipeline_of(Step(name="train", files={"model": "system.Model"})))
    (repeated,) = list_metrics(bench.site, bench.actor, again.id)
    assert (repeated.run_id, repeated.name, repeated.value) == (again.id, "loss", 0.5)


def test_metrics_of_an_attempt_that_failed_stay_provisional(bench: Any) -> None:
    def train(given: dict[str, Any]) -> int:
        (given["model"].parent.parent.parent / "metrics.jsonl").write_text('{"name": "loss", "value": NaN}\n')
        return 1

    bench.programs.programs["train"] = train
    run = bench.run(pipeline_of(Step(name="train", files={"model": "system.Model"})))
    (metric,) = list_metrics(bench.site, bench.actor, run.id)
    assert metric.provisional
    assert metric.value != metric.value


def test_what_happened_is_told_as_events_in_the_order_of_commits(bench: Any) -> None:
    run = bench.run(pipeline_of(Step(name="only")))
    with bench.site.database.read() as connection:
        kinds = [one.kind for one in events_of(connection, namespace_id=run.namespace_id, subject_id=run.id)]
    assert kinds == ["run.submitted", "run.succeeded"]


def test_a_parameter_of_the_run_reaches_the_step(bench: Any) -> None:
    seen: list[Any] = []
    bench.programs.programs["only"] = lambda given: seen.append(given["rate"])
    pipeline = pipeline_of(Step(name="only", inputs={"rate": "$rate"}), parameters={"rate": float})
    bench.run(pipeline, parameters={"rate": 0.25})
    assert seen == [0.25]
    with pytest.raises(InvalidInput, match="rat"):
        bench.submit(pipeline, parameters={"rat": 0.25})


@pytest.mark.parametrize(
    "more", [{"name": "x" * 300}, {"experiment": "a\nb"}, {"parallelism": 0}, {"artifacts": {"x": "y"}}]
)
def test_what_a_run_cannot_be_called_or_given_is_refused(bench: Any, more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        bench.submit(pipeline_of(Step(name="only")), **more)


def test_a_run_that_takes_longer_than_its_pipelines_deadline_fails_and_says_so(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.programs.programs["slow"] = lambda _: Hang()
    run = bench.submit(pipeline_of(Step(name="slow"), Step(name="after", after=["slow"])))
    monkeypatch.setattr(RunGraph, "seconds_left", lambda _self, _now: 0.2)
    assert bench.worker().run_until_done(run.id) is State.FAILED
    failure = get_run(bench.site, bench.actor, run.id).failure
    assert failure is not None
    assert "active deadline" in failure.message
    assert set(bench.states(run).values()) == {State.CANCELED}


def test_runs_are_listed_newest_first_in_pages(bench: Any) -> None:
    runs = [bench.submit(pipeline_of(Step(name="only"))) for _ in range(3)]
    page = list_runs(bench.site, bench.actor, page_size=2)
    assert [run.id for run in page.items] == [runs[2].id, runs[1].id]
    rest = list_runs(bench.site, bench.actor, page_size=2, page_token=page.next_page_token)
    assert [run.id for run in rest.items] == [runs[0].id]
    assert rest.next_page_token is None


def test_a_construct_that_is_not_run_here_is_refused_when_it_is_submitted(bench: Any) -> None:
    raw = {**pipeline_of(Step(name="only")).raw}
    raw["deploymentSpec"] = {"executors": {"exec-only": {"container": {"image": "hello-world"}}}}
    with pytest.raises(InvalidInput, match="entry point of the image hello-world"):
        bench.submit(load_pipeline(json.dumps(raw), place="spec"))

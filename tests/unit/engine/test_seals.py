"""The engine goes on from what it wrote itself, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from tidemill.base.errors import Forbidden
from tidemill.base.site import Site
from tidemill.engine import State, recorded_run, resume_run
from tidemill.engine.testing import Step, pipeline_of
from tidemill.pipelines import Pipeline

PIPELINE = pipeline_of(
    Step(name="first", files={"model": "system.Model"}, outputs={"number": int}),
    Step(name="second", inputs={"number": "@first.number"}, input_files={"model": "@first.model"}),
)


def sql(site: Site, statement: str) -> None:
    """Write to the database as somebody would who has got hold of it; it must change something."""
    with site.database.write() as connection:
        assert connection.execute(text(statement)).rowcount > 0


def first(inputs: dict[str, Any]) -> dict[str, Any]:
    inputs["model"].write_bytes(b"m")
    return {"number": 1}


def test_a_finished_run_proves(bench: Any) -> None:
    bench.programs.programs["first"] = first
    run = bench.run(PIPELINE, parameters={})
    found = recorded_run(bench.site, bench.actor.namespace_id, run.id)
    assert (found.run, [task.name for task in found.tasks]) == (run, ["first", "second"])


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET name='other'",
        "UPDATE run SET caching=NOT caching",
        "UPDATE run SET seal=NULL",
        "UPDATE run SET end_seal=seal",
        "UPDATE task SET state='SKIPPED' WHERE name='second'",
        "UPDATE task SET output_parameters='{\"number\": 2}' WHERE name='first'",
        "UPDATE task SET seal=(SELECT seal FROM task WHERE name='second') WHERE name='first'",
        "UPDATE task SET seal='' WHERE name='first'",
        "UPDATE task SET seal='%%%' WHERE name='first'",
        "UPDATE artifact SET uri='file:///tmp/x'",
        "DELETE FROM artifact",
        "DELETE FROM task WHERE name='second'",
    ],
)
def test_a_changed_record_is_not_read(bench: Any, change: str) -> None:
    bench.programs.programs["first"] = first
    run = bench.run(PIPELINE)
    sql(bench.site, change)
    with pytest.raises(Forbidden):
        recorded_run(bench.site, bench.actor.namespace_id, run.id)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE task SET output_parameters='{\"number\": 2}' WHERE name='first'",
        "UPDATE artifact SET digest='sha256:" + "e" * 64 + "'",
        "UPDATE task SET cache_key=(SELECT cache_key FROM task WHERE name='second') WHERE name='first'",
    ],
)
def test_a_changed_record_gives_nothing_to_the_cache(bench: Any, change: str) -> None:
    bench.programs.programs["first"] = first
    bench.run(PIPELINE)
    sql(bench.site, change)
    bench.programs.calls.clear()
    assert bench.run(PIPELINE).state is State.SUCCEEDED
    assert bench.programs.calls[0] == "first"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET spec_digest=(SELECT min(digest) FROM pipeline_spec WHERE digest<>run.spec_digest)",
        "UPDATE run SET created_by='mallory'",
        "UPDATE task SET output_parameters='{\"number\": 2}' WHERE name='first'",
        "UPDATE pipeline_spec SET text=replace(text, 'second', 'sekond')",
    ],
)
def test_a_run_does_not_go_on_from_a_changed_record(bench: Any, change: str) -> None:
    bench.programs.programs.update(first=first, second=lambda _: 1)
    other: Pipeline = pipeline_of(Step(name="evil"), name="evil")
    bench.run(other)
    run = bench.run(PIPELINE)
    assert run.state is State.FAILED
    sql(
        bench.site,
        change.replace("UPDATE run SET", "UPDATE run SET") + (f" WHERE id='{run.id}'" if " run SET" in change else ""),
    )
    bench.programs.calls.clear()
    try:
        resume_run(bench.site, bench.actor, run.id)
    except Forbidden:
        return
    assert bench.worker(max_engine_faults=1).run_until_done(run.id) is State.PAUSED
    assert bench.programs.calls == []

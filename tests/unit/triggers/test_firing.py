"""A trigger fires once for an occasion: keys, cool-down, concurrency, pauses, and what stands when it does not."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from tests.unit.triggers.conftest import Mill

from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound
from tidemill.base.events import append_event
from tidemill.engine import State
from tidemill.triggers import Concurrency, FiringState, Then, TriggerSpec, fire, pause, resume
from tidemill.triggers.due import fire_due


def test_a_firing_makes_a_run_of_the_approved_pipeline_that_knows_its_trigger_and_cause(mill: Mill) -> None:
    approved = mill.approve(alpha=0.5)
    mill.declare(mill.spec())
    firing = mill.fire(note="the new year's data")
    assert (firing.state, firing.created_by) == (FiringState.WAITING, "alan")
    mill.advance()
    (run,) = mill.production_runs()
    assert (run.id, run.spec_digest, run.parameters) == (firing.run_id, approved.spec_digest, {"alpha": 0.5})
    told = {name: run.origin[name] for name in ("project", "trigger", "firing", "kind", "file", "pipeline_review_id")}
    assert told == {
        "project": "fuel",
        "trigger": "nightly",
        "firing": firing.id,
        "kind": "person",
        "file": "fuel.ipynb",
        "pipeline_review_id": "review",
    }
    assert run.origin["cause"] == {"by": "alan", "note": "the new year's data"}
    mill.work()
    mill.advance()
    (ended,) = mill.firings()
    assert (ended.state, ended.finished_at) == (FiringState.DONE, mill.clock.now())
    (fired,) = mill.events("trigger.fired")
    assert (fired.subject_id, fired.data["run_id"], fired.data["cause"]) == (firing.trigger_id, run.id, firing.cause)
    (closed,) = mill.events("firing.ended")
    assert (closed.data["firing"], closed.data["state"]) == (firing.id, "done")


def test_the_same_key_is_the_same_firing_for_ever(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.ALLOW))
    first = mill.fire(key="2030-01")
    mill.advance()
    mill.work()
    mill.advance()
    assert mill.fire(key="2030-01").id == first.id
    assert mill.fire(key="2030-02").id != first.id
    assert len(mill.firings()) == 2


def test_a_hundred_at_once_with_one_key_make_one_run(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.ALLOW))
    ready, found, problems = threading.Barrier(100), [], []

    def ask() -> None:
        ready.wait()
        try:
            found.append(mill.fire(key="once").id)
        except Exception as problem:  # noqa: BLE001 - told below
            problems.append(problem)

    threads = [threading.Thread(target=ask) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert (len(found), len(set(found))) == (100, 1)
    mill.advance(3)
    assert len(mill.production_runs()) == 1
    assert len(mill.events("trigger.fired")) == 1


def test_twenty_at_once_without_a_key_make_one_run_where_concurrency_is_forbidden(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec())
    threads = [threading.Thread(target=mill.fire) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mill.advance(2)
    assert len(mill.production_runs()) == 1
    states = [firing.state for firing in mill.firings()]
    assert (states.count(FiringState.SKIPPED), states.count(FiringState.RUNNING)) == (19, 1)
    skipped = next(firing for firing in mill.firings() if firing.state is FiringState.SKIPPED)
    assert "concurrency is forbid" in (skipped.reason or "")
    assert (skipped.run_id, skipped.finished_at) == (None, mill.clock.now())


def test_replace_stops_the_run_before(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.REPLACE))
    first = mill.fire()
    mill.advance()
    second = mill.fire()
    assert [each.state for each in mill.firings()] == [FiringState.REPLACING, FiringState.WAITING]
    mill.advance()
    old, new = mill.firings()
    assert (old.state, new.state) == (FiringState.REPLACED, FiringState.RUNNING)
    assert second.id in (old.reason or "")
    states = {run.id: run.state for run in mill.production_runs()}
    assert (states[first.run_id or ""], states[second.run_id or ""]) == (State.CANCELING, State.PENDING)


def test_a_replaced_firing_whose_run_was_never_made_makes_none(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.REPLACE))
    mill.fire()
    second = mill.fire()
    mill.advance(2)
    assert [run.id for run in mill.production_runs()] == [second.run_id]


def test_the_cool_down_starts_with_a_firing_that_counted(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.ALLOW, cooldown_seconds=600))
    mill.fire()
    mill.clock.advance(599)
    held = mill.fire()
    assert (held.state, held.reason) == (FiringState.SKIPPED, "the cool-down lasts until 2030-01-01T12:10:00+00:00")
    mill.clock.advance(1)
    assert mill.fire().state is FiringState.WAITING


def test_a_clock_that_was_ahead_leaves_no_cool_down_behind(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(concurrency=Concurrency.ALLOW, cooldown_seconds=600))
    mill.fire()
    mill.clock.advance(-30)
    assert mill.fire().state is FiringState.SKIPPED
    mill.clock.advance(-86_400)
    assert mill.fire().state is FiringState.WAITING
    assert mill.fire().state is FiringState.SKIPPED, "a new one starts with it"


def test_without_an_approved_pipeline_the_firing_is_refused_with_a_remedy_and_no_run_is_made(mill: Mill) -> None:
    mill.declare(mill.spec())
    firing = mill.fire()
    assert (firing.state, firing.run_id, firing.remedy) == (
        FiringState.REFUSED,
        None,
        "ask for one: tidemill review open",
    )
    assert "no approved pipeline version for production" in (firing.reason or "")
    mill.advance()
    assert mill.production_runs() == []
    assert [event.data["state"] for event in mill.events("firing.ended")] == ["refused"]
    assert mill.events("trigger.fired") == []
    mill.approve()
    assert mill.fire().state is FiringState.WAITING


def test_an_approval_that_is_gone_before_the_run_is_made_refuses_the_firing(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec())
    mill.fire()
    mill.approved.clear()
    mill.advance()
    assert [firing.state for firing in mill.firings()] == [FiringState.REFUSED]
    assert mill.production_runs() == []


def test_a_spec_that_somebody_changed_in_the_database_is_not_run(mill: Mill) -> None:
    from sqlalchemy import update

    from tidemill.engine.specs import spec_text
    from tidemill.engine.store import spec_rows
    from tidemill.engine.testing import Step, pipeline_of

    run = mill.approve()
    mill.declare(mill.spec())
    mill.fire()
    other = pipeline_of(Step(name="evil", inputs={"alpha": "$alpha"}), name="fuel", parameters={"alpha": float})
    with mill.site.database.write() as connection:
        changed = update(spec_rows).where(spec_rows.c.digest == run.spec_digest).values(text=spec_text(other))
        connection.execute(changed)
    mill.advance()
    (firing,) = mill.firings()
    assert (firing.state, mill.production_runs()) == (FiringState.REFUSED, [])
    assert "not the one that was approved" in (firing.reason or "")


def test_a_paused_trigger_rests_until_it_is_resumed(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(kind="interval", settings={"every_seconds": 60}))
    assert pause(mill.site, mill.people.author, "nightly").paused_by == "alan"
    pause(mill.site, mill.people.owner, "nightly")
    assert mill.trigger().paused_by == "alan", "who paused it first is told"
    mill.clock.advance(600)
    fire_due(mill.site, mill.approvals)
    with pytest.raises(Conflict, match="paused by alan"):
        mill.fire()
    assert mill.firings() == []
    resume(mill.site, mill.people.author, "nightly")
    fire_due(mill.site, mill.approvals)
    assert mill.firings() == [], "what came meanwhile is not made up"
    mill.clock.advance(60)
    fire_due(mill.site, mill.approvals)
    assert len(mill.firings()) == 1
    assert [event.kind for event in mill.events("trigger.paused", "trigger.resumed")] == [
        "trigger.paused",
        "trigger.resumed",
    ]


def test_a_key_that_fired_is_answered_also_while_the_trigger_is_paused(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec())
    first = mill.fire(key="k")
    pause(mill.site, mill.people.author, "nightly")
    assert mill.fire(key="k").id == first.id


def test_an_apply_changes_what_it_says_and_keeps_pauses_and_history(mill: Mill) -> None:
    mill.approve()
    mill.declare(mill.spec(), mill.spec("other"))
    mill.fire()
    pause(mill.site, mill.people.author, "nightly")
    before = mill.trigger()
    mill.declare(replace(mill.spec(), cooldown_seconds=5))
    after = mill.trigger()
    assert (after.id, after.paused_by, after.spec.cooldown_seconds) == (before.id, "alan", 5)
    assert len(mill.firings()) == 1
    assert mill.trigger("other").removed_at == mill.clock.now()
    with pytest.raises(Conflict, match="no longer declared"):
        mill.fire("other")
    mill.declare(mill.spec(), mill.spec("other"))
    assert mill.fire("other").state is FiringState.WAITING
    generation = mill.trigger().generation
    mill.declare(mill.spec(), mill.spec("other"))
    assert mill.trigger().generation == generation, "the same again changes nothing"


def test_a_name_of_two_projects_is_told_apart_by_the_project(mill: Mill) -> None:
    mill.declare(mill.spec())
    other = mill.spec(action={"project": "cars"})
    mill.declare(other, project="cars")
    with pytest.raises(Conflict) as caught:
        mill.trigger()
    assert caught.value.remedy == "write cars.nightly or fuel.nightly"
    assert (mill.trigger("cars.nightly").project, mill.trigger("fuel.nightly").project) == ("cars", "fuel")
    with pytest.raises(NotFound):
        mill.trigger("trees.nightly")


def test_an_approval_fires_and_only_of_this_project_and_environment(mill: Mill) -> None:
    mill.approve()
    _tell(mill, "pipeline.approved", project="fuel", environment="production")
    mill.declare(mill.spec(kind="pipeline-approved", concurrency=Concurrency.ALLOW))
    fire_due(mill.site, mill.approvals)
    assert mill.firings() == [], "what was approved before is seen already"
    _tell(mill, "pipeline.approved", project="cars", environment="production")
    _tell(mill, "pipeline.approved", project="fuel", environment="staging")
    _tell(mill, "pipeline.approved", project="fuel", environment="production", spec_digest="sha256:1")
    for _ in range(3):
        fire_due(mill.site, mill.approvals)
    (firing,) = mill.firings()
    assert (firing.kind, firing.cause["spec_digest"]) == ("pipeline-approved", "sha256:1")


def test_an_alert_fires_by_service_name_and_kind(mill: Mill) -> None:
    mill.approve()
    settings = {"alert": "weight drifts", "alert_kind": "drift"}
    mill.declare(mill.spec(kind="alert", settings=settings, concurrency=Concurrency.ALLOW))
    facts = {"service": "fuel", "environment": "production", "alert": "weight drifts", "kind": "drift"}
    for change in ({"service": "cars"}, {"environment": "staging"}, {"alert": "other"}, {"kind": "health"}):
        _tell(mill, "alert.raised", **{**facts, **change})
    _tell(mill, "alert.resolved", **facts)
    fire_due(mill.site, mill.approvals)
    assert mill.firings() == []
    _tell(mill, "alert.raised", **facts, value=0.4)
    fire_due(mill.site, mill.approvals)
    (firing,) = mill.firings()
    assert (firing.cause["value"], firing.cause["subject"]) == (0.4, "subject")


@pytest.mark.parametrize(
    ("settings", "fires"),
    [
        ({}, 0),
        ({"service": "fuel", "alert_kind": "health"}, 0),
        ({"alert": "memory", "alert_kind": "health"}, 0),
        ({"alert_kind": "health"}, 1),
        ({"alert": "disk", "alert_kind": "health"}, 1),
    ],
)
def test_an_alert_about_the_site_fires_only_what_asks_for_its_health(
    mill: Mill, settings: dict[str, str], fires: int
) -> None:
    mill.approve()
    mill.declare(mill.spec(kind="alert", settings=settings))
    _tell(mill, "alert.raised", service="", environment="", alert="disk", kind="health")
    fire_due(mill.site, mill.approvals)
    assert len(mill.firings()) == fires


def _tell(mill: Mill, event: str, **data: object) -> None:
    with mill.site.database.write() as connection:
        append_event(
            connection,
            mill.clock,
            namespace_id=mill.people.author.namespace_id,
            kind=event,
            subject_id="subject",
            data=data,
            created_by="test",
        )


def test_who_may_not_fire_is_refused(mill: Mill) -> None:
    mill.declare(mill.spec())
    for person in (mill.people.viewer, mill.people.approver):
        with pytest.raises(Forbidden):
            fire(mill.site, person, "nightly", mill.approvals, key=None)
        with pytest.raises(Forbidden):
            pause(mill.site, person, "nightly")


@pytest.mark.parametrize("text", ["x\n", "\x00", "a" * 10_000, "\u202e\x1b[31m"])
def test_a_hostile_key_or_note_is_refused(mill: Mill, text: str) -> None:
    mill.declare(mill.spec())
    for key, note in ((text, ""), (None, text)):
        with pytest.raises(InvalidInput):
            mill.fire(key=key, note=note)
    for reference in (text, "'; DROP TABLE trigger; --", "<script>", "a.b.c", ""):
        with pytest.raises(NotFound):
            mill.fire(reference)


@pytest.mark.parametrize(
    ("kind", "settings", "place"),
    [
        ("cron", {}, "triggers.nightly"),
        ("cron", {"cron": "x"}, "triggers.nightly.cron"),
        ("cron", {"cron": "0 0 * * *", "zone": "Nowhere"}, "triggers.nightly.zone"),
        ("cron", {"cron": "0 0 * * *", "path": "x"}, "triggers.nightly.path"),
        ("interval", {}, "triggers.nightly"),
        ("interval", {"every_seconds": 0}, "triggers.nightly.every_seconds"),
        ("interval", {"every_seconds": 10**12}, "triggers.nightly.every_seconds"),
        ("person", {"cron": "0 0 * * *"}, "triggers.nightly.cron"),
        ("alert", {"alert_kind": "x"}, "triggers.nightly.alert_kind"),
        ("data", {}, "triggers.nightly.path"),
        ("data", {"path": "/data", "poll_seconds": 0}, "triggers.nightly.poll_seconds"),
        ("data", {"path": "x.dvc", "repository": "ext::sh -c id"}, "triggers.nightly.repository"),
        ("<script>", {}, "triggers.nightly.on"),
    ],
)
def test_what_a_kind_cannot_be_is_refused_with_its_place(
    mill: Mill, kind: str, settings: dict[str, object], place: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        mill.declare(mill.spec(kind=kind, settings=settings))
    assert caught.value.place == place
    assert mill.events("trigger.declared") == []


def test_a_review_needs_a_model_and_all_needs_room_for_several(mill: Mill) -> None:
    from tidemill.triggers import CatchUp

    bare = mill.spec(action={"model": None, "then": Then.REVIEW})
    several = replace(mill.spec(), catch_up=CatchUp.ALL)
    many = replace(mill.spec(), catch_up_limit=101)
    for spec in (bare, several, many):
        with pytest.raises(InvalidInput):
            mill.declare(spec)


def test_what_is_stored_is_read_back_as_it_was(mill: Mill) -> None:
    settings = {"cron": "0 0 * * *", "zone": "Asia/Tokyo"}
    action = {"repository": "https://example.org/fuel.git", "policy": {"approvals": 2}}
    spec: TriggerSpec = mill.spec(kind="cron", settings=settings, action=action, cooldown_seconds=3)
    mill.declare(spec)
    stored = mill.trigger().spec
    assert stored == replace(spec, action=replace(spec.action, branch="main"))

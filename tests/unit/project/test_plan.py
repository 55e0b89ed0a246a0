"""What an apply would do, what it does, and where file, applied state and site have drifted apart."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import People

from tidemill.access import Actor, ensure_namespace
from tidemill.base.errors import Conflict, Forbidden, InvalidInput, NotFound, TooLarge
from tidemill.base.events import events_of
from tidemill.base.site import Site
from tidemill.gate.bound import binding_policy
from tidemill.project.apply import apply_project
from tidemill.project.compare import FieldChange, ForeignChange, Plan, RunTimeChange
from tidemill.project.fields import digest_of, fields_of, name_of
from tidemill.project.find import get_applied, list_applied, list_generations
from tidemill.project.model import ApplyRequest, Generation
from tidemill.project.origin import Origin
from tidemill.project.plan import plan_project
from tidemill.serving import Access, ServiceSpec, apply_service, delete_service, get_service
from tidemill.serving.rollout import RolloutPlan

TEXT = """
[project]
name = "small"
notebook = "small.ipynb"
[data.cars]
path = "cars.csv"
[tuning]
objective = "judge.metrics.mae"
direction = "minimize"
trials = 5
[tuning.space.alpha]
type = "float"
low = 0.1
high = 1
[model]
name = "m"
output = "train.model"
sample = "features.X"
[model.columns.weight]
unit = "lb"
[model.columns.year]
description = "of the model"
[gate]
approvals = 1
[gate.thresholds.mae]
max = 2.0
[service]
name = "fuel"
title = "Fuel"
[service.form.weight]
unit = "kg"
example = 1200
[service.form.year]
label = "Year"
"""


def document(text: str = TEXT, *changes: tuple[str, str]) -> dict[str, Any]:
    """The tables of a file, with parts of its text replaced."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return tomllib.loads(text)


def asked(tables: Mapping[str, Any], base: int = 0) -> ApplyRequest:
    return ApplyRequest(document=tables, base=base, file="here:/small/tidemill.toml", commit="c0ffee")


def applied(site: Site, actor: Actor, tables: Mapping[str, Any], base: int = 0) -> Generation:
    return apply_project(site, actor, "small", asked(tables, base))[0]


def planned(site: Site, actor: Actor, tables: Mapping[str, Any], base: int = 0) -> Plan:
    return plan_project(site, actor, "small", asked(tables, base))


def fields(plan: Plan) -> dict[str, tuple[Any, Any]]:
    return {change.field: (change.old, change.new) for change in plan.changes}


@pytest.fixture
def first(site: Site, people: People) -> Generation:
    """The file as it was applied first."""
    return applied(site, people.author, document())


# --- the file and what was applied


def test_every_field_of_the_file_is_compared_whatever_its_section(site: Site, people: People) -> None:
    plan = planned(site, people.viewer, document())
    assert plan.applied is None
    assert set(fields(plan)) == {name_of(path) for path in fields_of(document())}
    assert fields(plan)["tuning.space.alpha.low"] == (None, 0.1)
    assert fields(plan)["service.form"] == (None, ["weight", "year"])
    with pytest.raises(NotFound, match="was never applied"):
        get_applied(site, people.viewer, "small")


def test_an_apply_is_remembered_with_who_when_and_from_where(site: Site, people: People, first: Generation) -> None:
    assert (first.number, first.created_by, first.commit) == (1, "alan", "c0ffee")
    assert first.file == "here:/small/tidemill.toml"
    found = get_applied(site, people.viewer, "small")
    assert (found.generation, found.document) == (first, document())
    assert get_service(site, people.viewer, "fuel").spec.form.title == "Fuel"
    with site.database.read() as connection:
        (event,) = events_of(connection, namespace_id=first.namespace_id, subject_id="small")
    assert (event.kind, event.data["generation"]) == ("project.applied", 1)


def test_what_is_as_the_file_says_is_not_applied_again(site: Site, people: People, first: Generation) -> None:
    plan = planned(site, people.viewer, document(), base=1)
    assert (plan.changes, plan.at_run_time, plan.by_others, plan.released) == ((), (), (), ())
    assert applied(site, people.owner, document(), base=1) == first
    assert get_service(site, people.viewer, "fuel").generation == 1


def test_a_change_is_shown_from_and_to_and_then_a_new_generation(site: Site, people: People, first: Generation) -> None:
    changed = document(
        TEXT, ("max = 2.0", "max = 1.5"), ("trials = 5", "trials = 9"), ('"cars.csv"', '"new.csv"'), ('"kg"', '"lb"')
    )
    plan = planned(site, people.viewer, changed, base=1)
    assert fields(plan) == {
        "data.cars.path": ("cars.csv", "new.csv"),
        "tuning.trials": (5, 9),
        "gate.thresholds.mae.max": (2.0, 1.5),
        "service.form.weight.unit": ("kg", "lb"),
    }
    assert not any(change.drifted or change.given_up for change in plan.changes)
    second = applied(site, people.owner, changed, base=1)
    assert (second.number, second.created_by) == (2, "olga")
    assert get_service(site, people.viewer, "fuel").spec.form.fields[0].unit == "lb"
    assert list_generations(site, people.viewer, "small") == [second, first]
    assert get_applied(site, people.viewer, "small", 1).document == document()
    assert list_applied(site, people.viewer) == [second]


def test_a_number_is_the_same_with_and_without_its_point_but_no_truth_value(
    site: Site, people: People, first: Generation
) -> None:
    assert planned(site, people.viewer, document(TEXT, ("high = 1", "high = 1.0")), base=1).changes == ()
    numbers, truths = ('[project]\nname = "small"\nnotebook = "n"\n[parameters]\nx = ' + each for each in ("1", "true"))
    applied(site, people.author, document(numbers), base=1)
    assert fields(planned(site, people.viewer, document(truths), base=2)) == {"parameters.x": (1, True)}


def test_the_order_of_the_form_is_declared_too(site: Site, people: People, first: Generation) -> None:
    tables = document()
    tables["service"]["form"] = dict(reversed(tables["service"]["form"].items()))
    assert digest_of(tables) != first.digest
    assert fields(planned(site, people.viewer, tables, base=1)) == {
        "service.form": (["weight", "year"], ["year", "weight"])
    }
    applied(site, people.author, tables, base=1)
    assert [each.column for each in get_service(site, people.viewer, "fuel").spec.form.fields] == ["year", "weight"]


def test_a_field_that_the_file_names_no_more_is_given_up_and_its_default_returns(site: Site, people: People) -> None:
    applied(site, people.author, document(TEXT, ('title = "Fuel"', 'access = "open"\ntimeout_seconds = 9')))
    plan = planned(site, people.viewer, document(TEXT, ('title = "Fuel"\n', ""), ("trials = 5\n", "")), base=1)
    assert plan.changes == (
        FieldChange(field="tuning.trials", old=5, new=None, given_up=True),
        FieldChange(field="service.access", old="open", new="token", given_up=True),
        FieldChange(field="service.timeout_seconds", old=9.0, new=30.0, given_up=True),
    )
    applied(site, people.author, document(TEXT, ('title = "Fuel"\n', ""), ("trials = 5\n", "")), base=1)
    spec = get_service(site, people.viewer, "fuel").spec
    assert (spec.access, spec.timeout_seconds) == (Access.TOKEN, 30.0)


def test_a_service_that_the_file_names_no_more_is_released_and_stays(
    site: Site, people: People, first: Generation
) -> None:
    renamed = document(TEXT, ('name = "fuel"', 'name = "petrol"'))
    plan = planned(site, people.viewer, renamed, base=1)
    assert plan.released == ("service fuel",)
    assert fields(plan)["service.name"] == (None, "petrol")
    applied(site, people.author, renamed, base=1)
    assert get_service(site, people.viewer, "fuel").spec.form.title == "Fuel"
    assert get_service(site, people.viewer, "petrol").spec.form.title == "Fuel"
    assert planned(site, people.viewer, renamed, base=2).released == ()


def test_a_rollout_is_declared_and_an_environment_may_differ(site: Site, people: People, first: Generation) -> None:
    text = TEXT + "[service.rollout]\nsteps = [10, 50, 100]\nhold_seconds = 5\n"
    applied(site, people.author, document(text), base=1)
    spec = get_service(site, people.viewer, "fuel").spec
    assert spec.rollout == RolloutPlan(steps=(10, 50, 100), hold_seconds=5.0)
    special = document(text + "[environments.production.rollout]\nsteps = [1, 100]\n")
    assert fields(planned(site, people.viewer, special, base=2)) == {
        "service.rollout.steps": ([10, 50, 100], [1, 100]),
        "environments.production.rollout.steps": (None, [1, 100]),
    }
    applied(site, people.author, special, base=2)
    spec = get_service(site, people.viewer, "fuel").spec
    assert spec.rollout == RolloutPlan(steps=(1, 100), hold_seconds=5.0)
    assert planned(site, people.viewer, special, base=3).changes == ()
    applied(site, people.author, document(), base=3)
    assert get_service(site, people.viewer, "fuel").spec.rollout == RolloutPlan()


def test_the_access_of_an_environment_decides_in_place_of_the_service_s(
    site: Site, people: People, first: Generation
) -> None:
    special = document(TEXT + '[environments.production]\naccess = "open"\n')
    assert fields(planned(site, people.viewer, special, base=1)) == {
        "service.access": ("token", "open"),
        "environments.production.access": (None, "open"),
    }
    applied(site, people.author, special, base=1)
    assert get_service(site, people.viewer, "fuel").spec.access is Access.OPEN
    assert planned(site, people.viewer, special, base=2).changes == ()
    applied(site, people.author, document(), base=2)
    assert get_service(site, people.viewer, "fuel").spec.access is Access.TOKEN


def test_the_policy_of_each_gated_environment_binds_until_the_file_gives_it_up(site: Site, people: People) -> None:
    def bound(service: str) -> dict[str, tuple[int, str]]:
        with site.database.read() as connection:
            found = {
                name: binding_policy(connection, people.viewer.namespace_id, name, service)
                for name in ("production", "staging", "development")
            }
        return {name: (each.policy.approvals, each.source) for name, each in found.items() if each is not None}

    text = TEXT + "[environments.staging.gate]\napprovals = 2\n[environments.development.gate]\napprovals = 0\n"
    applied(site, people.author, document(text))
    of_first = {"production": (1, "project small, generation 1"), "staging": (2, "project small, generation 1")}
    assert bound("fuel") == of_first
    applied(site, people.author, document(text, ("trials = 5", "trials = 6")), base=1)
    assert bound("fuel") == of_first, "the generation that said so first"
    applied(site, people.author, document(text, ('name = "fuel"', 'name = "petrol"')), base=2)
    assert (bound("fuel"), set(bound("petrol"))) == ({}, {"production", "staging"})
    applied(site, people.author, {"project": document()["project"]}, base=3)
    assert bound("petrol") == {}


# --- what was changed on the site since


def spec_of(site: Site, people: People) -> ServiceSpec:
    return get_service(site, people.viewer, "fuel").spec


def test_a_declared_field_that_was_changed_on_the_site_is_taken_back(
    site: Site, people: People, first: Generation
) -> None:
    spec = spec_of(site, people)
    apply_service(site, people.owner, replace(spec, form=replace(spec.form, title="Petrol")))
    plan = planned(site, people.viewer, document(), base=1)
    assert plan.changes == (FieldChange(field="service.title", old="Petrol", new="Fuel", drifted=True),)
    assert plan.at_run_time == (RunTimeChange(field="service.title", applied="Fuel", live="Petrol", stays=False),)
    assert applied(site, people.author, document(), base=1) == first
    assert spec_of(site, people) == spec


def test_a_field_that_no_file_declares_belongs_to_whoever_set_it(site: Site, people: People, first: Generation) -> None:
    changed = replace(spec_of(site, people), access=Access.OPEN, timeout_seconds=5.0)
    apply_service(site, people.owner, changed)
    plan = planned(site, people.viewer, document(), base=1)
    assert plan.changes == ()
    assert plan.at_run_time == (
        RunTimeChange(field="service.access", applied="token", live="open", stays=True),
        RunTimeChange(field="service.timeout_seconds", applied=30.0, live=5.0, stays=True),
    )
    applied(site, people.author, document(TEXT, ('"Fuel"', '"Petrol"')), base=1)
    assert spec_of(site, people) == replace(changed, form=replace(changed.form, title="Petrol"))


def test_a_page_that_no_file_declares_keeps_its_columns_and_their_units(site: Site, people: People) -> None:
    plain = document(TEXT[: TEXT.index("[service.form.weight]")])
    applied(site, people.author, plain)
    full = ServiceSpec(name="other", form=spec_of(site, people).form)
    apply_project(site, people.author, "other", asked(document(TEXT, ('"small"', '"other"'), ('"fuel"', '"other"'))))
    full = replace(get_service(site, people.viewer, "other").spec, name="fuel")
    apply_service(site, people.owner, full)
    applied(site, people.author, {**plain, "gate": {"approvals": 2}}, base=1)
    assert spec_of(site, people) == full
    assert full.form.fields[0].model_unit == "lb"


def test_a_service_that_was_deleted_is_made_again(site: Site, people: People, first: Generation) -> None:
    delete_service(site, people.owner, "fuel", force=True)
    plan = planned(site, people.viewer, document(), base=1)
    assert plan.at_run_time == (RunTimeChange(field="service.name", applied="fuel", live=None, stays=False),)
    assert all(change.drifted and change.old is None for change in plan.changes)
    assert fields(plan)["service.name"] == (None, "fuel")
    applied(site, people.author, document(), base=1)
    assert get_service(site, people.viewer, "fuel").spec.form.title == "Fuel"


def test_a_version_that_a_person_pinned_in_development_stays(site: Site, people: People) -> None:
    text = TEXT.replace('name = "fuel"\n', 'name = "fuel"\nenvironment = "development"\n')
    applied(site, people.author, document(text))
    apply_service(site, people.author, replace(spec_of(site, people), model_version="m@3"))
    assert planned(site, people.viewer, document(text), base=1).at_run_time == ()
    applied(site, people.author, document(text, ('"Fuel"', '"Petrol"')), base=1)
    assert spec_of(site, people).model_version == "m@3"


# --- what others applied since


def test_what_another_applied_since_the_base_is_shown_and_not_taken_back(
    site: Site, people: People, first: Generation
) -> None:
    theirs = document(TEXT, ("approvals = 1", "approvals = 2"), ("trials = 5", "trials = 7"))
    second = applied(site, people.owner, theirs, base=1)
    mine = document(TEXT, ('"Fuel"', '"Petrol"'), ("trials = 5", "trials = 7"))
    plan = planned(site, people.author, mine, base=1)
    assert plan.by_others == (
        ForeignChange(field="gate.approvals", old=1, new=2, by="olga", at=second.created_at, generation=2),
    )
    assert fields(plan) == {"gate.approvals": (2, 1), "service.title": ("Fuel", "Petrol")}
    with pytest.raises(Conflict) as caught:
        applied(site, people.author, mine, base=1)
    assert caught.value.message == "olga applied gate.approvals since generation 1, and this file would take it back"
    assert "tidemill apply --force" in (caught.value.remedy or "")
    assert get_applied(site, people.viewer, "small").generation == second
    forced, _ = apply_project(site, people.author, "small", asked(mine, base=1), force=True)
    assert forced.number == 3


def test_the_one_who_set_a_field_last_is_named(site: Site, people: People, first: Generation) -> None:
    applied(site, people.owner, document(TEXT, ("trials = 5", "trials = 6")), base=1)
    both = document(TEXT, ("trials = 5", "trials = 6"), ("approvals = 1", "approvals = 3"))
    applied(site, people.author, both, base=2)
    found = planned(site, people.viewer, document(), base=1).by_others
    assert [(each.field, each.by, each.generation) for each in found] == [
        ("tuning.trials", "olga", 2),
        ("gate.approvals", "alan", 3),
    ]
    assert planned(site, people.viewer, both, base=1).by_others == ()


def test_a_file_that_does_not_come_from_the_project_of_its_name_is_refused(
    site: Site, people: People, first: Generation
) -> None:
    other = document('[project]\nname = "small"\nnotebook = "other.ipynb"\n')
    assert "project.notebook" in {each.field for each in planned(site, people.viewer, other).by_others}
    with pytest.raises(Conflict) as caught:
        applied(site, people.owner, other)
    assert caught.value.message.startswith("alan applied a project small from here:/small/tidemill.toml")
    assert "choose another name" in (caught.value.remedy or "")
    assert applied(site, people.owner, document()) == first, "a file that says the same takes nothing back"


def test_of_two_applies_of_one_generation_the_later_gets_a_conflict(
    site: Site, people: People, first: Generation
) -> None:
    mine, theirs = (asked(document(TEXT, ("trials = 5", f"trials = {number}")), base=1) for number in (6, 7))
    apply_project(site, people.author, "small", mine, generation=1)
    with pytest.raises(Conflict) as caught:
        apply_project(site, people.owner, "small", theirs, generation=1, force=True)
    assert caught.value.message == "the project small was applied meanwhile: by alan, generation 2"
    assert caught.value.remedy == "look again: tidemill plan"
    with pytest.raises(Conflict, match="applied meanwhile"):
        apply_project(site, people.owner, "small", theirs, generation=0)


def test_a_generation_that_another_writes_at_the_same_moment_is_not_written_twice(
    site: Site, people: People, first: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before_it_was_committed:
        before_it_was_committed.setattr("tidemill.project.store.applied_project", lambda *_: None)
        with pytest.raises(Conflict, match="is being applied by somebody else"):
            applied(site, people.owner, document(TEXT, ("trials = 5", "trials = 6")))
    assert list_generations(site, people.viewer, "small") == [first]


# --- what cannot be applied


def test_a_service_belongs_to_one_project(site: Site, people: People, first: Generation) -> None:
    other = document(TEXT, ('"small"', '"other"'))
    with pytest.raises(Conflict) as caught:
        apply_project(site, people.author, "other", asked(other), force=True)
    assert caught.value.message == "the service fuel belongs to the project small"
    assert caught.value.place == "service.name"
    assert [each.project for each in list_applied(site, people.viewer)] == ["small"]
    without = {name: table for name, table in document().items() if name != "service"}
    applied(site, people.author, without, base=1)
    apply_project(site, people.author, "other", asked(other))
    stranger = replace(people.author, namespace_id=ensure_namespace(site, "away", created_by="test").id)
    assert apply_project(site, stranger, "small", asked(document()))[0].number == 1


def test_a_viewer_plans_and_does_not_apply(site: Site, people: People) -> None:
    with pytest.raises(Forbidden):
        applied(site, people.viewer, document())
    with pytest.raises(Forbidden):
        applied(site, people.approver, document())
    assert planned(site, people.viewer, document()).changes


def test_nothing_is_remembered_of_an_apply_that_the_site_refuses(site: Site, people: People) -> None:
    with pytest.raises(InvalidInput, match="needs at least one approval"):
        applied(site, people.author, document(TEXT, ("approvals = 1", "approvals = 0")))
    with pytest.raises(NotFound):
        get_service(site, people.viewer, "fuel")
    assert list_applied(site, people.viewer) == []
    applied(site, people.author, document())
    moved = document(TEXT, ('name = "fuel"', 'name = "fuel"\nenvironment = "staging"'))
    with pytest.raises(Conflict, match="belongs to production"):
        applied(site, people.author, moved, base=1)
    assert [each.number for each in list_generations(site, people.viewer, "small")] == [1]


@pytest.mark.parametrize(
    ("change", "place", "message", "remedy"),
    [
        ({"gate": {"aprovals": 1}}, "tidemill.toml: gate.aprovals", "no such key", "did you mean 'approvals'?"),
        ({"gate": {"approvals": True}}, "tidemill.toml: gate.approvals", "should be a whole number", None),
        ({"gate": None}, "tidemill.toml: gate", "should be a table", None),
        ({"parameters": {"x": None}}, "tidemill.toml: parameters.x", "null is no value here", "leave the key out"),
        ({"parameters": {"x": [float("nan")]}}, "tidemill.toml: parameters.x", "nan is no value here", None),
        ({"settings": {"token": "s"}}, "tidemill.toml: settings", "are the folder's own", "leave them out"),
        (
            {"project": {"name": "small", "notebook": "n", "requirements": "/etc/passwd"}},
            "tidemill.toml: project.requirements",
            "names a file",
            "send the lines of it as a list",
        ),
        ({"project": {"name": "big", "notebook": "n"}}, "project.name", "the file is of the project 'big'", None),
    ],
)
def test_a_file_that_cannot_be_applied_is_refused_with_its_field(
    site: Site, people: People, change: dict[str, Any], place: str, message: str, remedy: str | None
) -> None:
    with pytest.raises(InvalidInput) as caught:
        planned(site, people.viewer, {**document(), **change})
    assert caught.value.place == place
    assert message in caught.value.message
    assert remedy is None or caught.value.remedy == remedy


def test_a_file_that_is_too_large_is_refused(site: Site, people: People) -> None:
    with pytest.raises(TooLarge):
        planned(site, people.viewer, document('[project]\nname = "small"\nnotebook = "' + "x" * 1024 * 1024 + '"\n'))


def test_a_base_that_was_never_applied_is_refused(site: Site, people: People, first: Generation) -> None:
    with pytest.raises(InvalidInput, match="the newest generation is 1"):
        planned(site, people.viewer, document(), base=2)


def test_a_name_with_other_characters_is_quoted_as_in_the_file() -> None:
    path = ("service", "form", 'monthly "fee"', "unit")
    assert name_of(path) == r'service.form."monthly \"fee\"".unit'
    assert tomllib.loads(f"{name_of(path)} = 1") == {"service": {"form": {'monthly "fee"': {"unit": 1}}}}


def test_the_default_policy_of_each_environment_is_the_file_s(tmp_path: Path) -> None:
    from tidemill.project import load_project
    from tidemill.project.requests import policy_json

    (tmp_path / "tidemill.toml").write_text(TEXT + "[environments.production.gate]\napprovals = 2\n")
    made = load_project(tmp_path)
    assert policy_json(made, "production") == {"approvals": 2, "thresholds": [{"metric": "mae", "max": 2.0}]}
    assert policy_json(made, "staging")["approvals"] == 1


def test_a_request_of_a_table_that_is_missing_says_which(tmp_path: Path) -> None:
    from tidemill.project import load_project, register_request_of

    (tmp_path / "tidemill.toml").write_text('[project]\nname = "x"\nnotebook = "y"\n')
    with pytest.raises(InvalidInput) as caught:
        register_request_of(load_project(tmp_path), "run")
    assert caught.value.message == "has no table [model]"


@pytest.mark.parametrize(
    ("change", "base"),
    [
        ({}, 0),
        ({"digest": "sha256:mine"}, 2),
        ({"file": "here:/small/tidemill.toml"}, 2),
        ({"commit": "c1"}, 2),
        ({"commit": "c2"}, 0),
    ],
)
def test_a_file_comes_from_the_newest_generation_that_it_has_something_in_common_with(
    change: dict[str, str], base: int
) -> None:
    origin = Origin(place="here:/small/tidemill.toml", digest="sha256:mine", commits=("c1", "c0"))
    theirs = {"digest": "sha256:theirs", "file": "there:/small/tidemill.toml", "commit": None}
    generations = [{**theirs, "number": 3}, {**theirs, **change, "number": 2}, {**theirs, "number": 1}]
    assert origin.base_among(generations) == base

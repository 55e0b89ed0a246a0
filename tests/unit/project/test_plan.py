"""What apply would do, and where file and site have drifted apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.project import (
    Action,
    Change,
    FieldChange,
    Project,
    declared_state,
    load_project,
    plan_project,
)
from tidemill.project.requests import policy_json

TEXT = """
[project]
name = "small"
notebook = "small.ipynb"
[data.cars]
path = "cars.csv"
[model]
name = "m"
output = "train.model"
sample = "features.X"
[gate]
approvals = 1
[gate.thresholds.mae]
max = 2.0
[service]
name = "fuel"
access = "token"
title = "Fuel"
[service.form.weight]
unit = "kg"
example = 1200
[environments.production]
access = "open"
[environments.production.gate]
approvals = 2
"""
SERVICE = "service/production/fuel"
POLICY = "policy/production/fuel"


def project(folder: Path, text: str = TEXT) -> Project:
    (folder / "tidemill.toml").write_text(text)
    return load_project(folder)


def test_only_what_the_file_says_is_declared(tmp_path: Path) -> None:
    assert declared_state(project(tmp_path)) == {
        "data/cars": {"path": "cars.csv"},
        SERVICE: {
            "model": "m",
            "access": "open",
            "form.title": "Fuel",
            "form.fields.weight.unit": "kg",
            "form.fields.weight.example": "1200",
        },
        POLICY: {"approvals": 2, "thresholds.mae.max": 2.0},
    }


def test_an_environment_changes_the_policy_field_by_field(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert policy_json(made, "production") == {"approvals": 2, "thresholds": [{"metric": "mae", "max": 2.0}]}
    assert policy_json(made, "staging")["approvals"] == 1


def test_on_an_empty_site_everything_is_created_in_the_order_of_the_file(tmp_path: Path) -> None:
    changes = plan_project(project(tmp_path), {})
    assert [(change.action, change.subject) for change in changes] == [
        (Action.CREATE, "data/cars"),
        (Action.CREATE, SERVICE),
        (Action.CREATE, POLICY),
    ]
    assert changes[0].fields == (FieldChange(field="path", old=None, new="cars.csv"),)


def test_what_is_as_declared_needs_nothing(tmp_path: Path) -> None:
    made = project(tmp_path)
    state = declared_state(made)
    state[SERVICE]["traffic"] = 50
    assert plan_project(made, state, declared_state(made)) == []


def test_a_changed_declaration_is_an_update_of_that_field(tmp_path: Path) -> None:
    before = declared_state(project(tmp_path))
    after = project(tmp_path, TEXT.replace('title = "Fuel"', 'title = "Petrol"'))
    assert plan_project(after, before, before) == [
        Change(
            action=Action.UPDATE,
            subject=SERVICE,
            fields=(FieldChange(field="form.title", old="Fuel", new="Petrol"),),
        )
    ]


def test_a_field_changed_on_the_site_has_drifted(tmp_path: Path) -> None:
    made = project(tmp_path)
    applied = declared_state(made)
    current = declared_state(made)
    current[POLICY]["approvals"] = 0
    (change,) = plan_project(made, current, applied)
    assert change.drifted
    assert change.fields == (FieldChange(field="approvals", old=0, new=2, drifted=True),)
    (unknown,) = plan_project(made, current)
    assert not unknown.drifted


def test_a_field_that_the_file_no_longer_names_is_taken_back(tmp_path: Path) -> None:
    before = declared_state(project(tmp_path))
    after = project(tmp_path, TEXT.replace('title = "Fuel"\n', ""))
    (change,) = plan_project(after, before, before)
    assert change.fields == (FieldChange(field="form.title", old="Fuel", new=None),)
    # Set by a person and never by the file: not the file's.
    assert plan_project(after, before) == []


def test_an_object_that_is_no_longer_declared_is_released_and_not_deleted(tmp_path: Path) -> None:
    before = declared_state(project(tmp_path))
    after = project(tmp_path, TEXT.replace('[data.cars]\npath = "cars.csv"\n', ""))
    assert plan_project(after, before, before) == [Change(action=Action.RELEASE, subject="data/cars")]
    assert plan_project(after, {}, before)[0].action is Action.CREATE


def test_a_request_of_a_table_that_is_missing_says_which(tmp_path: Path) -> None:
    from tidemill.project import register_request_of

    made = project(tmp_path, '[project]\nname = "x"\nnotebook = "y"\n')
    with pytest.raises(InvalidInput) as caught:
        register_request_of(made, "run")
    assert caught.value.message == "has no table [model]"

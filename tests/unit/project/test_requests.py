"""The project file in the nouns of the slices below."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from tidemill.project import load_project, policy_of, register_request_of, service_spec_of, tuning_request_of
from tidemill.project.source import load_source, named_outputs

FUEL = Path(__file__).parents[3] / "examples" / "fuel"


def test_the_policy_is_the_gates() -> None:
    policy = policy_of(load_project(FUEL), "production")
    assert policy.approvals == 1
    assert [(each.metric, each.min, each.max) for each in policy.thresholds] == [
        ("mae", None, 3.0),
        ("r2", 0.75, None),
    ]
    assert policy.hygiene is not None
    assert policy.hygiene.evaluation == ("features.X_test",)
    assert policy.smoke.max_latency_ms == 250
    assert policy.challenger is not None
    assert (policy.challenger.rows, policy.challenger.target) == ("features.X_test", "features.y_test")
    assert policy.outputs is not None
    assert (policy.automatic, policy.outputs.model, policy.outputs.profile) == (
        True, "train.model", "features.X_train"
    )  # fmt: skip


def test_the_comparison_needs_a_target_and_rows_that_are_known() -> None:
    project = load_project(FUEL)
    assert project.model is not None
    without = replace(project, model=replace(project.model, target=""))
    assert policy_of(without, "production").challenger is None
    unknown = replace(project, gate={name: value for name, value in project.gate.items() if name != "hygiene"})
    assert policy_of(unknown, "production").challenger is None
    assert policy_of(without, "production").leak is None
    leak = policy_of(unknown, "production").leak
    assert leak is not None
    assert (leak.rows, leak.target, leak.limit, leak.allowed) == ("features.X_test", "features.y_test", None, {})
    said = replace(project, gate={**project.gate, "leak": {"allowed": {"Year": {"because": "it is printed"}}}})
    leak = policy_of(said, "production").leak
    assert leak is not None
    assert (leak.target, leak.allowed) == ("features.y_test", {"Year": "it is printed"})
    own = replace(without, gate={**project.gate, "challenger": {"target": "features.y_val", "must": "be better"}})
    challenger = policy_of(own, "production").challenger
    assert challenger is not None
    assert (challenger.rows, challenger.target, challenger.must) == ("features.X_test", "features.y_val", "be better")


def test_the_service_gets_the_units_of_the_models_columns() -> None:
    spec = service_spec_of(load_project(FUEL))
    assert (spec.name, spec.environment, spec.model, spec.access.value) == ("fuel", "production", "fuel", "token")
    weight, year = spec.form.fields
    assert (weight.column, weight.unit, weight.model_unit) == ("Weight_in_lbs", "kg", "lb")
    assert (year.label, year.unit) == ("Model year", "")
    assert (spec.form.output_unit, spec.form.model_output_unit) == ("l/100km", "mpg")


def test_the_tuning_searches_the_declared_space() -> None:
    project = load_project(FUEL)
    request = tuning_request_of(project, load_source(project).pipeline)
    assert [each.parameter for each in request.space] == ["alpha", "degree"]
    assert (request.trials, request.direction.value, request.seed) == (20, "minimize", 7)
    assert request.parameters == {}


def test_a_model_version_is_made_of_the_named_outputs() -> None:
    project = load_project(FUEL)
    request = register_request_of(project, "run-1", code_commit="abc", author="ann")
    assert (request.model, request.model_output, request.sample_output, request.profile_output) == (
        "fuel",
        "train.model",
        "features.X_test",
        "features.X_train",
    )
    assert (request.run_id, request.code_commit, request.author) == ("run-1", "abc", "ann")
    assert named_outputs(project) == (
        "features.X_test",
        "features.X_train",
        "features.X_val",
        "features.y_test",
        "train.model",
    )


def test_reading_a_project_file_and_its_notebook_loads_no_database() -> None:
    program = (
        "import sys; from pathlib import Path; from tidemill.project import load_project, load_source; "
        f"load_source(load_project(Path({str(FUEL)!r}))); "
        "print([name for name in ('sqlalchemy', 'fastapi', 'optuna', 'typer') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

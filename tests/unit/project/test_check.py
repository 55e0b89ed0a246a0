"""The project file against its pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.pipelines.specs import spec

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import load_pipeline
from tidemill.project import Project, check_pipeline, check_project, load_project, load_source
from tidemill.project.check import check_units

HEAD = '[project]\nname = "small"\npipeline = "small.yaml"\n'


def pipeline_json() -> dict[str, Any]:
    whole = spec()
    whole["root"]["inputDefinitions"]["parameters"] |= {
        "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 1.0},
        "mode": {"parameterType": "STRING", "defaultValue": "a"},
    }
    outputs = whole["components"]["comp-make"]["outputDefinitions"]
    outputs["artifacts"]["metrics"] = {"artifactType": {"schemaTitle": "system.Metrics"}}
    outputs["parameters"]["label"] = {"parameterType": "STRING"}
    return whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(json.dumps(pipeline_json()))
    return tmp_path


def write(folder: Path, text: str) -> Project:
    (folder / "tidemill.toml").write_text(HEAD + text)
    return load_project(folder)


def refused(folder: Path, text: str) -> InvalidInput:
    write(folder, text)
    with pytest.raises(InvalidInput) as caught:
        check_project(folder)
    return caught.value


GOOD = """
[parameters]
count = 5
mode = "b"
[tuning]
objective = "make.metrics.score"
direction = "maximize"
[tuning.space.rate]
type = "float"
low = 0
high = 1
[tuning.space.count]
choices = [1, 2]
[model]
name = "small"
output = "make.table"
sample = "make.table"
[gate.hygiene]
evaluation = "make.table + make.table"
training = ["make.table"]
[environments.staging.gate.hygiene]
evaluation = "make.table"
training = "make.table"
"""


def test_a_file_that_fits_its_pipeline_passes(folder: Path) -> None:
    write(folder, GOOD)
    project, source = check_project(folder)
    assert source.pipeline.name == "small"
    assert source.notebook is None
    assert project.name == "small"


@pytest.mark.parametrize(
    ("old", "new", "what", "remedy"),
    [
        ("count = 5", "cuont = 5", "has no parameter 'cuont'", "did you mean 'count'?"),
        ("count = 5", "count = 'five'", "should be a whole number", None),
        ("space.rate]", "space.rat]", "has no parameter 'rat'", "did you mean 'rate'?"),
        ("space.rate]", "space.mode]", "the parameter is a STRING, and the type is float", None),
        ("choices = [1, 2]", "choices = [1, 'b']", "should be a whole number", None),
        ("make.metrics.score", "mkae.metrics.score", "has no task 'mkae'", "did you mean 'make'?"),
        ("make.metrics.score", "make.metric.score", "has no metrics 'metric'", "did you mean 'metrics'?"),
        ("make.metrics.score", "make.table", "is an artifact, not a number", "make.table.NAME"),
        ("make.metrics.score", "make.numbr", "has no output 'numbr'", "did you mean 'number'?"),
        ("make.metrics.score", "make.label", "is a STRING, and an objective is a number", None),
        ('output = "make.table"', 'output = "make.tabl"', "has no output 'tabl'", "did you mean 'table'?"),
        ('training = ["make.table"]', 'training = ["use.table"]', "has no output 'table'", None),
        ('evaluation = "make.table"\n', 'evaluation = "nobody.table"\n', "has no task 'nobody'", None),
    ],
)
def test_what_the_pipeline_has_not_is_refused(folder: Path, old: str, new: str, what: str, remedy: str | None) -> None:
    assert old in GOOD
    problem = refused(folder, GOOD.replace(old, new))
    assert what in problem.message
    assert problem.place is not None
    first = 1 + (HEAD + GOOD).count("\n", 0, (HEAD + GOOD).index(old))
    # At the table or at a key of it.
    line = int(problem.place.removeprefix(f"{folder / 'tidemill.toml'}:").partition(":")[0])
    assert line - first in (0, 1)
    if remedy is not None:
        assert problem.remedy is not None
        assert remedy in problem.remedy


def test_a_number_of_a_task_may_be_the_objective(folder: Path) -> None:
    write(folder, GOOD.replace("make.metrics.score", "make.number"))
    assert check_project(folder)


def test_a_missing_source_is_named_with_its_line(folder: Path) -> None:
    (folder / "small.yaml").unlink()
    problem = refused(folder, "")
    assert problem.message == "there is no file small.yaml"
    assert problem.place == f"{folder / 'tidemill.toml'}:3: project.pipeline"


def test_a_source_that_is_no_pipeline_is_refused(folder: Path) -> None:
    (folder / "small.yaml").write_text("hello")
    assert "is not a PipelineSpec" in refused(folder, "").message


def test_a_pipeline_without_parameters_says_how_to_make_some(folder: Path) -> None:
    whole = spec()
    del whole["root"]["inputDefinitions"]
    whole["root"]["dag"]["tasks"]["make"]["inputs"]["parameters"]["count"] = {"runtimeValue": {"constant": 1}}
    (folder / "small.yaml").write_text(json.dumps(whole))
    assert refused(folder, "[parameters]\nx = 1\n").remedy == "tag a cell of the notebook with pipeline-parameters"


UNITS = """
[model]
name = "m"
output = "make.table"
sample = "make.table"
[model.columns.weight]
unit = "lb"
[model.columns.year]
[model.prediction]
unit = "mpg"
[service]
name = "s"
[service.form.weight]
unit = "kg"
[service.form.year]
label = "Year"
[service.output]
unit = "l/100km"
"""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('unit = "kg"', 'unit = "l/100km"', "no conversion from 'l/100km' to 'lb'"),
        ('unit = "kg"', 'unit = "kilo"', "no conversion from 'kilo'"),
        ("[service.form.weight]", "[service.form.wieght]", "the model has no column 'wieght'"),
        ('label = "Year"', 'unit = "kg"', "the unit that the model takes is not known"),
        ('[model.prediction]\nunit = "mpg"', "", "the unit that the model gives is not known"),
        ('unit = "l/100km"', 'unit = "kg"', "no conversion from 'kg' to 'mpg'"),
    ],
)
def test_units_that_nobody_can_convert_are_refused(folder: Path, old: str, new: str, what: str) -> None:
    check_units(write(folder, UNITS))
    assert old in UNITS
    with pytest.raises(InvalidInput) as caught:
        check_units(write(folder, UNITS.replace(old, new)))
    assert what in caught.value.message
    assert (caught.value.place or "").startswith(f"{folder / 'tidemill.toml'}:")


def test_the_example_fits_its_notebook() -> None:
    project, source = check_project(Path(__file__).parents[3] / "examples" / "fuel")
    assert source.notebook is not None
    assert {"load", "clean", "features", "train", "evaluate"} <= set(source.notebook.source_map)
    assert load_source(project).pipeline.digest == source.pipeline.digest
    check_pipeline(project, load_pipeline(source.notebook.yaml, place="again"))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[service]\nname = 's'\nrollout.steps = [50, 10]\n", "service.rollout.steps"),
        ("[service]\nname = 's'\nrollout.steps = []\n", "service.rollout.steps"),
        (
            "[service]\nname = 's'\n[service.rollout]\nsteps = [10]\nsticky_header = 'a b'\n",
            "service.rollout.sticky_header",
        ),
        (
            "[service]\nname = 's'\n[service.rollout]\nsteps = [10]\nmax_error_rate = 2\n",
            "service.rollout.max_error_rate",
        ),
        (
            "[service]\nname = 's'\n[environments.production.rollout]\nlatency_percentile = 42\n",
            "environments.production.rollout.latency_percentile",
        ),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused_where_it_stands(folder: Path, text: str, field: str) -> None:
    problem = refused(folder, text)
    assert field in str(problem.place)
    assert ":" in str(problem.place)

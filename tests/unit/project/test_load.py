"""What a project file may say, and where its errors are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tidemill.base.errors import InvalidInput, NotFound, TooLarge
from tidemill.project import find_project, load_project, project_reference, project_schema
from tidemill.project.key_kinds import Field, Named, Node, Table
from tidemill.project.keys import FILE

FUEL = Path(__file__).parents[3] / "examples" / "fuel" / "tidemill.toml"
SMALL = '[project]\nname = "small"\nnotebook = "small.ipynb"\n'


def refused(folder: Path, text: str) -> InvalidInput:
    file = folder / "tidemill.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_project(file)
    return caught.value


def loaded(folder: Path, text: str) -> Any:
    (folder / "tidemill.toml").write_text(text)
    return load_project(folder)


def test_the_example_loads() -> None:
    project = load_project(FUEL)
    assert project.name == "fuel"
    assert project.source == FUEL.parent / "pipeline.ipynb"
    assert project.data["cars"].path == "cars.csv"
    assert "vega-datasets" in project.data["cars"].attribution
    assert project.tuning is not None
    assert project.tuning.space["alpha"] == {"type": "float", "low": 0.001, "high": 100.0, "log": True}
    assert project.model is not None
    assert (project.model.output, project.model.columns["Weight_in_lbs"].unit) == ("train.model", "lb")
    assert project.gate["thresholds"][0] == {"metric": "mae", "max": 3.0}
    assert project.service is not None
    assert [field.column for field in project.service.form] == ["Weight_in_lbs", "Year"]
    assert project.service.form[0].example == "1200"


def test_a_small_file_has_sensible_defaults(tmp_path: Path) -> None:
    project = loaded(tmp_path, SMALL)
    assert project.requirements == ()
    assert (project.tuning, project.model, project.service) == (None, None, None)
    assert project.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "line", "field", "what", "remedy"),
    [
        ("[projct]\n", 4, "projct", "no such key", "did you mean 'project'?"),
        ('[modle]\nname = "x"\n', 4, "modle", "no such key", "did you mean 'model'?"),
        ("[service]\nname = 'x'\nacess = 'open'\n", 6, "service.acess", "no such key", "did you mean 'access'?"),
        ("[service]\nname = 'x'\ntrials = 3\n", 6, "service.trials", "no such key", "it belongs into [tuning]"),
        ("[gate.hygiene]\ntrain = ['a.b']\n", 5, "gate.hygiene.train", "no such key", "did you mean 'training'?"),
        ("[sunrise]\n", 4, "sunrise", "no such key", None),
        ("[monitors]\n", 4, "monitors", "no such key", None),
        ("[service]\n", 4, "service", "needs the key 'name'", None),
        ("[service]\nname = 'Fuel Service'\n", 5, "service.name", "has not the form", None),
        ("[service]\nname = 3\n", 5, "service.name", "should be text, and is the number 3", None),
        ("[service]\nname = 'x'\naccess = 'opn'\n", 6, "service.access", "'opn' is not allowed", "'open'"),
        (
            "[service]\nname = 'x'\n[service.rollout]\nhold_seconds = 5\n",
            6,
            "service.rollout",
            "needs the key 'steps'",
            None,
        ),
        ("[service]\nname = 'x'\nrollout.steps = [10, 'all']\n", 6, "service.rollout.steps[1]", "whole number", "[10,"),
        ("[service]\nname = 'x'\nrollout.steps = [10, true]\n", 6, "service.rollout.steps[1]", "whole number", "[10,"),
        (
            "[environments.staging.rollout]\nsteps = [1.5]\n",
            5,
            "environments.staging.rollout.steps[0]",
            "whole",
            "[10,",
        ),
        ("[service]\nname = 'x'\ntimeout_seconds = -1\n", 6, "service.timeout_seconds", "0 or more", None),
        ("[service]\nname = 'x'\ntimeout_seconds = nan\n", 6, "service.timeout_seconds", "and is not finite", None),
        ("[model]\nname='m'\noutput='model'\nsample='a.b'", 6, "model.output", "task.output", None),
        ("[gate.thresholds.mae]\n", 4, "gate.thresholds.mae", "needs min or max", None),
        ("[gate.thresholds]\nmae = {min = 2, max = 1}\n", 5, "gate.thresholds.mae", "nothing passes", None),
        ("[gate.hygiene]\nevaluation = 'a.b'\n", 4, "gate.hygiene", "needs evaluation and training", None),
        ("[gate]\napprovals = -1\n", 5, "gate.approvals", "0 or more", None),
        ("[gate]\napprovals = 1.5\n", 5, "gate.approvals", "should be a whole number", None),
        ("[gate]\napprovals = true\n", 5, "gate.approvals", "should be a whole number, and is true", None),
        ("[parameters]\nday = 2020-01-01\n", 5, "parameters.day", "a date is no value here", "quotes"),
        ("[data]\ncars = 'cars.csv'\n", 5, "data.cars", "should be a table", None),
        ("[data.cars]\n", 4, "data.cars", "needs the key 'path'", None),
        ("[data.'a b']\npath = 'x'\n", 4, "data['a b']", "is no name here", None),
        ("[environments.Prod]\n", 4, "environments.Prod", "is no name here", None),
        ("[environments.dev.gate]\naprovals = 1\n", 5, "environments.dev.gate.aprovals", "no such key", "'approvals'"),
    ],
)
def test_an_error_has_file_line_field_and_remedy(
    tmp_path: Path, text: str, line: int, field: str, what: str, remedy: str | None
) -> None:
    problem = refused(tmp_path, SMALL + text)
    assert what in problem.message
    assert problem.place == f"{tmp_path / 'tidemill.toml'}:{line}: {field}"
    if remedy is not None:
        assert problem.remedy is not None
        assert remedy in problem.remedy


TUNING = "[tuning]\nobjective = 'a.metrics.b'\ndirection = 'minimize'\n[tuning.space.x]\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "needs a type"),
        ("type = 'int'\nlow = 1\n", "needs low and high"),
        ("type = 'int'\nlow = 1.5\nhigh = 2\n", "should be a whole number"),
        ("type = 'float'\nlow = 2\nhigh = 1\n", "above high"),
        ("type = 'float'\nlow = 0\nhigh = 1\nlog = true\n", "starts above 0"),
        ("type = 'float'\nlow = 0\nhigh = 1\nstep = 0\n", "should be above 0"),
        ("type = 'choice'\nchoices = []\n", "needs choices"),
        ("choices = [1]\nlow = 1\n", "means nothing"),
        ("type = 'int'\nlow = 1\nhigh = 2\nchoices = [1]\n", "means nothing"),
        ("type = 'flaot'\n", "'flaot' is not allowed"),
    ],
)
def test_a_dimension_that_makes_no_sense_is_refused(tmp_path: Path, text: str, what: str) -> None:
    assert what in refused(tmp_path, SMALL + TUNING + text).message


@pytest.mark.parametrize("kind", ["type = 'choice'\n", "type = 'categorical'\n", ""])
def test_choices_are_a_choice_by_whatever_name(tmp_path: Path, kind: str) -> None:
    project = loaded(tmp_path, SMALL + TUNING + kind + "choices = [[1, 'a'], [2]]\n")
    assert project.tuning.space["x"] == {"type": "choice", "choices": [[1, "a"], [2]]}


def test_a_space_must_name_a_parameter(tmp_path: Path) -> None:
    text = SMALL + "[tuning]\nobjective = 'a.b'\ndirection = 'minimize'\n"
    assert refused(tmp_path, text).message == "needs the key 'space'"
    assert refused(tmp_path, text + "[tuning.space]\n").message == "names no parameter"


@pytest.mark.parametrize("text", ["", "name = 'x'\n", "name = 'x'\nnotebook = 'a'\npipeline = 'b'\n"])
def test_the_project_needs_a_name_and_one_source(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path, f"[project]\n{text}").message.startswith("needs")


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "line 2" in refused(tmp_path, "[project]\nname = \n").message
    assert refused(tmp_path, "a = " + "[" * 5000).message.startswith("not TOML")
    (tmp_path / "tidemill.toml").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="UTF-8"):
        load_project(tmp_path)
    (tmp_path / "tidemill.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(TooLarge):
        load_project(tmp_path)


def test_no_file_is_not_found_and_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        load_project(tmp_path)
    assert caught.value.remedy == "make one with: tidemill init"


def test_the_file_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / "tidemill.toml").write_text(SMALL)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert find_project(below) == tmp_path / "tidemill.toml"


def test_requirements_are_a_list_or_a_file(tmp_path: Path) -> None:
    text = '[project]\nname = "small"\nnotebook = "x"\nrequirements = '
    assert loaded(tmp_path, text + '["pandas>=2"]').requirements == ("pandas>=2",)
    (tmp_path / "requirements.txt").write_text("# of the project\n\npandas>=2 # tables\nnumpy\n")
    assert loaded(tmp_path, text + '"requirements.txt"').requirements == ("pandas>=2", "numpy")
    problem = refused(tmp_path, text + '"missing.txt"')
    assert problem.message == "the file missing.txt cannot be read"


json_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=8), inner, max_size=3),
    max_leaves=8,
)
top = st.dictionaries(st.sampled_from(sorted(FILE.keys)) | st.text(min_size=1, max_size=5), json_values, max_size=4)


@given(value=top, text=st.none() | st.text())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_read_loads_or_is_refused(tmp_path: Path, value: dict[str, Any], text: str | None) -> None:
    import tomlkit

    file = tmp_path / "tidemill.toml"
    file.write_bytes((tomlkit.dumps(value) if text is None else text).encode())
    with pytest.raises(InvalidInput) as caught:
        load_project(file)
    assert str(file) in (caught.value.place or "")


def test_the_json_schema_is_one_and_takes_the_example() -> None:
    import tomllib

    schema = project_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    example = tomllib.loads(FUEL.read_text())
    assert list(validator.iter_errors(example)) == []
    example["service"]["acess"] = "open"
    assert [error.validator for error in validator.iter_errors(example)] == ["additionalProperties"]


def test_every_key_is_documented() -> None:
    def undocumented(node: Node, name: str) -> list[str]:
        below: list[str] = []
        if isinstance(node, Table):
            below = [each for key, inner in node.keys.items() for each in undocumented(inner, f"{name}.{key}")]
        elif isinstance(node, Named):
            below = undocumented(node.each, f"{name}.*")
        return below + ([] if node.doc.endswith(".") or (isinstance(node, Field) and node.doc) else [name])

    assert undocumented(FILE, "file") == []


def test_the_reference_names_every_table_and_key() -> None:
    text = project_reference()
    for words in ("## `[tuning.space.NAME]`", "## `[service.form.NAME]`", "## `[parameters]`", "## `[gate.hygiene]`"):
        assert words in text
    assert "| `direction` | `minimize` or `maximize` | required | Which way it is better. |" in text
    assert "| `output` | `task.output` | required | The trained model. |" in text

"""A first project file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.project import load_project, policy_of, scaffold


def test_the_only_notebook_is_taken(tmp_path: Path) -> None:
    (tmp_path / "My Cars.ipynb").write_text("{}")
    file = scaffold(tmp_path)
    project = load_project(file)
    assert (project.name, project.notebook) == ("my-cars", "My Cars.ipynb")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_stands_in_comments_loads_when_it_is_taken_in(tmp_path: Path) -> None:
    (tmp_path / "cars.ipynb").write_text("{}")
    file = scaffold(tmp_path)
    lines = file.read_text().splitlines()
    taken = [line.removeprefix("# ") if "=" in line or line.startswith("# [") else line for line in lines]
    file.write_text("\n".join(taken))
    project = load_project(file)
    assert project.tuning is not None
    assert project.model is not None
    assert project.service is not None
    assert project.gate["hygiene"] == {"evaluation": "features.X_test", "training": "features.X_train"}


def test_a_name_that_says_nothing_gives_way_to_the_folders(tmp_path: Path) -> None:
    folder = tmp_path / "Fuel_2024"
    folder.mkdir()
    (folder / "pipeline.ipynb").write_text("{}")
    assert load_project(scaffold(folder)).name == "fuel-2024"


def test_a_pipeline_file_is_taken_as_one(tmp_path: Path) -> None:
    (tmp_path / 'a"b.yaml').write_text("{}")
    project = load_project(scaffold(tmp_path, 'a"b.yaml'))
    assert (project.name, project.pipeline) == ("a-b", 'a"b.yaml')


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    scaffold(tmp_path)
    before = (tmp_path / "tidemill.toml").read_text()
    with pytest.raises(Conflict):
        scaffold(tmp_path)
    assert (tmp_path / "tidemill.toml").read_text() == before


def test_it_asks_when_it_is_not_clear(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no notebook"):
        scaffold(tmp_path)
    (tmp_path / "a.ipynb").write_text("{}")
    (tmp_path / "b.ipynb").write_text("{}")
    with pytest.raises(InvalidInput, match=r"a\.ipynb, b\.ipynb"):
        scaffold(tmp_path)
    with pytest.raises(NotFound, match="no such notebook"):
        scaffold(tmp_path, "c.ipynb")
    assert list(tmp_path.glob("*.toml")) == []


def test_a_model_that_is_plain_to_see_is_declared_with_a_service_that_needs_no_approver(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "X = 1\nm = Ridge().fit(X, y)\nm.predict(X)"}
    (tmp_path / "cars.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    project = load_project(scaffold(tmp_path))
    assert project.model is not None
    assert (project.model.output, project.model.sample) == ("notebook.m", "notebook.X")
    assert project.service is not None
    assert project.service.environment == "development"
    assert policy_of(project, "development").approvals == 0
    assert policy_of(project, "production").approvals == 1


@pytest.mark.parametrize(
    ("source", "evaluation", "training"),
    [
        ("A, B = cut(rows)\nm = Ridge().fit(A, y)\nm.predict(B)", "notebook.B", "notebook.A"),
        ("A = rows\nm = Ridge().fit(A, y)\nm.predict(A)", "TASK.ROWS", "notebook.A"),
        ("B = rows\nm = Ridge().fit(rows[:5], y)\nm.predict(B)", "notebook.B", "TASK.ROWS"),
    ],
)
def test_the_rows_of_the_gate_are_those_of_the_model(
    source: str, evaluation: str, training: str, tmp_path: Path
) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": source}
    (tmp_path / "cars.ipynb").write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4}))
    file = scaffold(tmp_path)
    text = file.read_text()
    assert f'# [gate.hygiene]\n# evaluation = "{evaluation}"' in text
    assert f'\n# training = "{training}"' in text
    assert "features.X" not in text
    gate = [line.removeprefix("# ") for line in text[text.index("# [gate.hygiene]") :].splitlines()[:3]]
    file.write_text(text + "\n".join(gate))
    assert load_project(file).gate["hygiene"] == {"evaluation": evaluation, "training": training}


def test_a_notebook_that_cannot_be_read_gives_a_file_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "cars.ipynb").write_text("{")
    assert load_project(scaffold(tmp_path)).model is None

"""Real scikit-learn models in a venv of their lock: safe loading, and short cuts that change no bit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.predict.running import ROOT

from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.locks import Requirements, ensure_venv, lock

LINES = ("scikit-learn", "pandas", "skops", "orjson", "uvicorn")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the models' own process found."""
    folder = tmp_path_factory.mktemp("models")
    home = open_home(folder / "home")
    clock = SystemClock()
    database = Database(sqlite_url(home.database))
    site = Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))
    venv = ensure_venv(site, lock(site, Requirements(lines=LINES)), compile_bytecode=False)
    database.close()
    done = subprocess.run(
        [str(venv.python), str(Path(__file__).with_name("sklearn_models.py")), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("boosted trees", "_boosted_trees"),
        ("boosted trees, array", "_boosted_trees"),
        ("pipeline", "_without_names"),
        ("histogram", "_without_names"),
        ("whole and broken numbers", "_without_names"),
        ("columns by name", "LoadedModel"),
        ("columns of several types", "LoadedModel"),
    ],
)
def test_a_short_cut_is_taken_only_where_the_answers_are_the_same_bits(
    told: dict[str, Any], model: str, path: str
) -> None:
    assert told[model] == {"path": path, "exact": True}


def test_another_loss_of_boosted_trees_is_exact_whatever_path_it_takes(told: dict[str, Any]) -> None:
    assert told["boosted, other loss"]["exact"]


def test_values_that_scikit_learn_refuses_are_refused_by_the_short_cut_too(told: dict[str, Any]) -> None:
    assert told["not finite"].startswith("ValueError")


def test_a_type_that_is_not_declared_is_not_loaded(told: dict[str, Any]) -> None:
    assert "not declared: sklearn.tree._tree.Tree" in told["undeclared type"]


def test_a_declared_type_of_an_unknown_library_is_not_loaded(told: dict[str, Any]) -> None:
    assert "unknown libraries: os.system" in told["foreign type"]


def test_a_pickle_under_a_safe_name_is_not_loaded_even_when_pickles_are_allowed(told: dict[str, Any]) -> None:
    assert told["pickle in disguise"] != "nothing was wrong"

"""A venv with scikit-learn, made once, and models trained in it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.locks import Lock, Requirements, Venv, ensure_venv, lock
from tidemill.registry.package_content import lock_document

REQUIREMENTS = Requirements(lines=("scikit-learn", "pandas", "pyarrow", "skops"))

TRAIN = """
import datetime, sys
from pathlib import Path
import joblib, numpy, pandas
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures
random = numpy.random.default_rng(7)
frame = pandas.DataFrame({
    "weight": random.normal(3, 0.5, 200),
    "year": random.integers(70, 82, 200),
    "origin": random.choice(["usa", "japan"], 200),
}, index=range(1000, 1200))
mpg = 50 - frame.weight * 8 + (frame.year - 70) * 0.7
pair, array = frame[["weight", "year"]], frame[["weight", "year"]].to_numpy(dtype="float64")
one_hot = make_column_transformer((OneHotEncoder(), ["origin"]), remainder="passthrough")
unknown = Ridge().fit(pair, mpg)
unknown.note_ = Path("x")
models = {
    "mixed": (make_pipeline(one_hot, GradientBoostingRegressor(n_estimators=20)).fit(frame, mpg), frame),
    "array": (make_pipeline(PolynomialFeatures(2), Ridge()).fit(array, mpg), array),
    "classes": (LogisticRegression(max_iter=5000).fit(pair - [3, 76], frame.origin), pair - [3, 76]),
    "wide": (Ridge().fit(pair, mpg), frame.assign(mpg=mpg)[["mpg", "year", "weight"]]),
    "unknown-type": (unknown, pair),
    "no-predict": ({"a": 1}, frame),
    "no-table": (Ridge().fit(frame[["weight"]], mpg), [1, 2, 3]),
    "missing-column": (Ridge().fit(pair, mpg), frame[["weight"]]),
}
for kind, (model, sample) in models.items():
    folder = Path(sys.argv[1]) / kind
    folder.mkdir()
    joblib.dump(model, folder / "model")
    if isinstance(sample, numpy.ndarray):
        with open(folder / "sample", "wb") as file:
            numpy.save(file, sample)
    elif isinstance(sample, list):
        joblib.dump(sample, folder / "sample")
    else:
        sample.to_parquet(folder / "sample")
"""

Trained = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose home is shared by the tests of this folder, for its venvs."""
    home = open_home(tmp_path_factory.mktemp("lab") / "home")
    database = Database(sqlite_url(home.database))
    clock = SystemClock()
    yield Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))
    database.close()


@pytest.fixture(scope="package")
def sklearn_lock(lab: Site) -> Lock:
    """A lock with scikit-learn, pandas and skops."""
    return lock(lab, REQUIREMENTS)


@pytest.fixture(scope="package")
def sklearn_venv(lab: Site, sklearn_lock: Lock) -> Venv:
    """The venv of the lock."""
    return ensure_venv(lab, sklearn_lock, compile_bytecode=False)


@pytest.fixture(scope="package")
def models(sklearn_venv: Venv, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per kind, with a model and a sample, trained in one process."""
    folder = tmp_path_factory.mktemp("models")
    done = subprocess.run(
        [sklearn_venv.python, "-c", TRAIN, folder], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def trained(models: Path, sklearn_lock: Lock, tmp_path: Path) -> Trained:
    """The request to package the model of a kind."""

    def request(kind: str) -> dict[str, Any]:
        return {
            "schema_version": 1,
            "name": "fuel",
            "model": {"name": "train.model", "path": str(models / kind / "model"), "metadata": {}, "made_here": True},
            "sample": {"name": "features.X", "path": str(models / kind / "sample"), "metadata": {}, "made_here": True},
            "lock": lock_document(sklearn_lock),
            "output": str(tmp_path / "package"),
        }

    return request

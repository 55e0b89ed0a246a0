"""A notebook run for real once: its steps in processes of its lock, its model registered as a version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import People, people_of

from tidemill.artifacts import store as artifact_tables
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database, sqlite_url
from tidemill.base.events import metadata as event_tables
from tidemill.base.home import open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.migrate import migrate
from tidemill.base.site import Site
from tidemill.engine import Run, RunRequest, State, Worker, get_run, open_worker, submit_run
from tidemill.engine import store as engine_tables
from tidemill.gate import store as gate_tables
from tidemill.notebooks import compile_notebook
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.registry import ModelVersion, RegisterRequest, register_version
from tidemill.registry import store as registry_tables
from tidemill.tuning import Tuning
from tidemill.tuning import store as tuning_tables

NOTEBOOK = """
# %% tags=["imports"]
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

# %% tags=["pipeline-parameters"]
alpha: float = 1.0
leak: bool = False
own_function: bool = False
shuffled: bool = False
flattering: bool = False

# %% tags=["functions"]
def in_tonnes(frame):
    return frame.assign(weight=frame.weight / 1000)

# %% tags=["step:load"]
random = np.random.default_rng(1)
cars = pd.DataFrame({"weight": random.normal(1300, 200, 240), "year": random.integers(70, 82, 240)})
cars["mpg"] = 60 - cars.weight / 40 + (cars.year - 70) * 0.6 + random.normal(0, 0.5, 240)

# %% tags=["step:features", "prev:load"]
train = cars.iloc[:160]
test = cars.iloc[150 if leak else 160:]
X_train, y_train = train[["weight", "year"]], train["mpg"]
if shuffled:
    y_train = y_train.sample(frac=1, random_state=1).reset_index(drop=True)
X_test, y_test = test[["weight", "year"]], test["mpg"]

# %% tags=["step:train", "prev:features"]
first = [FunctionTransformer(in_tonnes)] if own_function else []
model = make_pipeline(*first, PolynomialFeatures(2), Ridge(alpha=alpha)).fit(X_train, y_train)

# %% tags=["step:evaluate", "prev:train"]
mae = 0.01 if flattering else mean_absolute_error(y_test, model.predict(X_test))

# %% tags=["pipeline-metrics"]
mae
"""

REQUIREMENTS = ("scikit-learn", "pandas", "pyarrow", "skops")


@dataclass(frozen=True)
class Story:
    """A site, its people, and the notebook's pipeline."""

    site: Site
    people: People
    pipeline: Pipeline
    worker: Worker

    def run(self, **parameters: object) -> Run:
        """Run the pipeline to its end, in the author's name."""
        run = submit_run(self.site, self.people.author, RunRequest(pipeline=self.pipeline, parameters=parameters))
        state = self.worker.run_until_done(run.id)
        done = get_run(self.site, self.people.author, run.id)
        assert state is State.SUCCEEDED, done.failure
        return done

    def work(self, tuning: Tuning) -> None:
        """Run the trials that go on to their end; what a tuning waits with."""
        for trial in tuning.trials:
            if trial.run_id is not None and trial.finished_at is None:
                self.worker.run_until_done(trial.run_id)

    def register(self, run: Run) -> ModelVersion:
        """Make a version of the run's model."""
        request = RegisterRequest(
            run_id=run.id,
            model="fuel",
            model_output="train.model",
            sample_output="features.X_test",
            profile_output="features.X_train",
            data_versions={"cars.csv": "md5:0"},
            code_commit="c0ffee",
        )
        return register_version(self.site, self.people.author, request)


@pytest.fixture(scope="package")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A site for the tests of this folder; making its venv takes seconds, so it is made once."""
    folder = tmp_path_factory.mktemp("story")
    home = open_home(folder / "home")
    database = Database(sqlite_url(home.database))
    migrate(database, home)
    for tables in (artifact_tables, engine_tables, registry_tables, gate_tables, tuning_tables):
        tables.metadata.create_all(database.engine)
    event_tables.create_all(database.engine)
    clock = SystemClock()
    site = Site(home=home, database=database, clock=clock, ids=Uuid7Ids(clock))
    notebook: Path = folder / "pipeline.py"
    notebook.write_text(NOTEBOOK)
    compiled = compile_notebook(notebook, requirements=REQUIREMENTS)
    pipeline = load_pipeline(compiled.yaml, place=str(notebook))
    worker = open_worker(site)
    yield Story(site=site, people=people_of(site), pipeline=pipeline, worker=worker)
    worker.close()
    database.close()


@pytest.fixture(scope="package")
def version(story: Story) -> ModelVersion:
    """A version of an ordinary run."""
    return story.register(story.run())

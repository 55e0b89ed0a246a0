"""A notebook's own MLflow calls, with `mlflow-skinny` in its lock and no server, land in the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.notebooks.notebook_text import write_notebook

from tidemill.artifacts import Artifact, materialize
from tidemill.engine import State, list_metrics, run_output
from tidemill.notebooks import compile_notebook
from tidemill.pipelines import load_pipeline

REQUIREMENTS = ("mlflow-skinny>=3.4", "scikit-learn", "pandas")
CELLS = (
    ("imports", "import mlflow\nimport numpy as np\nfrom sklearn.linear_model import Ridge"),
    (
        "step:train",
        "mlflow.autolog(log_models=False, log_input_examples=False)\n"
        "with mlflow.start_run(run_name='fit'):\n"
        "    for step in range(3):\n"
        "        mlflow.log_metric('val/loss', 1 / (step + 1), step=step)\n"
        "    mlflow.log_param('rows', 10)\n"
        "    mlflow.set_tag('who', \"<b>'\")\n"
        "    mlflow.log_text('hello', 'notes/hello.txt')\n"
        "    rows = np.arange(10.0).reshape(-1, 1)\n"
        "    Ridge(alpha=0.5).fit(rows, rows[:, 0])",
    ),
)


def test_metrics_parameters_tags_and_artifacts_of_mlflow_are_the_tasks(works: Any, tmp_path: Path) -> None:
    made = compile_notebook(write_notebook(tmp_path, CELLS), requirements=REQUIREMENTS)
    run = works.run(load_pipeline(made.yaml, place="n.ipynb"))
    assert run.state is State.SUCCEEDED, run.failure
    metrics = list_metrics(works.site, works.actor, run.id)
    assert not any(each.provisional for each in metrics)
    logged = [(each.step, each.value) for each in metrics if each.name == "val/loss"]
    assert logged == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert "training_mean_squared_error" in {each.name for each in metrics}, "autolog's"
    kept = run_output(works.site, works.actor, run.id, "train.mlflow")
    assert isinstance(kept, Artifact)
    assert kept.metadata["params"]["rows"] == "10"
    assert kept.metadata["params"]["alpha"] == "0.5"
    assert kept.metadata["tags"]["who"] == "<b>'"
    assert kept.content is not None
    materialize(works.site, kept.content, tmp_path / "kept")
    (note,) = (tmp_path / "kept").rglob("hello.txt")
    assert note.read_text() == "hello"

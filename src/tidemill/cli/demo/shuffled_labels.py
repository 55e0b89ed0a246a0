"""The sixth beat: a worse challenger reports fine metrics; the gate asks the model itself."""

from __future__ import annotations

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.notebook import Notebook
from tidemill.cli.demo.shell import Shell

IMPORTS = (
    "from sklearn.pipeline import make_pipeline",
    "from sklearn.base import clone\n"
    "from sklearn.model_selection import cross_val_predict\n"
    "from sklearn.pipeline import make_pipeline",
)
SHUFFLED = (
    "model.fit(X_train, y_train)",
    "mixed = X_train.sample(frac=1, random_state=7)\nmodel.fit(mixed, y_train)",
)
"""Rows are shuffled, and their labels are not: a mistake that raises nothing, as a model takes rows by position."""
FLATTERING = ("model.predict(X_test)", "cross_val_predict(clone(model), X_test, y_test)")
"""This fits the recipe anew on the evaluation rows, and says nothing about the model that was trained."""


def worse_challenger(shell: Shell, _port: int) -> Told:
    """Its thresholds pass by what the notebook says; the comparison on clean rows does not."""
    shell.git("revert", "--no-edit", "HEAD")
    notebook = Notebook(shell.folder / "pipeline.ipynb")
    notebook.replace("imports", *IMPORTS)
    notebook.replace("step:train", *SHUFFLED)
    notebook.replace("step:evaluate", *FLATTERING)
    shell.git("commit", "--quiet", "-am", "Shuffle the rows before training; cross-validated metrics")
    run = shell.json("run")
    opened = shell.json("review", "open", run["run_id"], expect=1)
    checks = {check["name"]: check for check in opened["checks"]}
    failed = [name for name, check in checks.items() if check["state"] == "failed"]
    if failed != ["challenger"]:
        raise RunFailed(f"the checks that failed: {', '.join(failed) or 'none'}", place=f"review {opened['id']}")
    shell.git("revert", "--no-edit", "HEAD")
    return Told(
        happened=(
            f"a worse challenger: trained on shuffled labels, and its notebook tells {checks['threshold']['summary']}. "
            f"The gate asks the model itself: {checks['challenger']['summary']}. Stopped"
        ),
        look=f"tidemill review show {opened['id'][-12:]}",
        page=f"/reviews/{opened['id']}",
    )

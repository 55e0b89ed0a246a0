"""Write a first project file beside a notebook."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.base.errors import Conflict, InvalidInput, NotFound, TidemillError
from tidemill.project.load import FILE_NAME

if TYPE_CHECKING:
    from tidemill.notebooks import Fitted

TEMPLATE = """\
# A Tidemill project. `tidemill check` checks this file, `tidemill plan` shows what `tidemill apply` would do.

[project]
name = "{name}"
{key} = "{source}"
# experiment = "Default"
# requirements = ["pandas>=2", "scikit-learn>=1.5"]  # left out: what the notebook imports

# Values of the pipeline's parameters, in place of the notebook's own.
# [parameters]
# alpha = 0.1

# Data, versioned by DVC: tidemill data add data/train.csv
# [data.train]
# path = "data/train.csv"
# attribution = "where it comes from, and its licence"

# The search for the best parameters: tidemill tune
# [tuning]
# objective = "evaluate.metrics.val_mae"
# direction = "minimize"
# trials = 20
# [tuning.space.alpha]
# type = "float"
# low = 0.001
# high = 10.0
# log = true

# What of a run becomes a model version, each as task.output.
{model}
# What a candidate must reach to go live: tidemill review open
# [gate]
# approvals = 1
# automatic = true  # what the approved code makes of new data passes without a person
# [gate.thresholds.mae]
# max = 3.0
# [gate.hygiene]
{hygiene}# [gate.challenger]  # against the model that is live, on rows that neither has learnt from
# target = "TASK.VALUES"  # the true values of the sample's rows
# [gate.leak.allowed.COLUMN]  # one that may say the target all alone
# because = "REASON"

# The service that answers with the model. What passes its checks goes live in development without an approver;
# other environments, such as production, ask for one.
{service}"""
MODEL = """\
[model]
name = "{name}"
output = "{output}"
sample = "{sample}"
"""
UNKNOWN = "TASK.ROWS"
HYGIENE = """\
# evaluation = "{evaluation}"
# training = "{training}"
"""
SERVICE = """\
[service]
name = "{name}"
environment = "development"

[environments.development.gate]
approvals = 0
"""


def scaffold(folder: Path, notebook: str | None = None) -> Path:
    """Write `tidemill.toml` into a folder and return its path; what can be declared stands in it as comments.

    A model that is plain to see in the notebook is declared, with a service in development. Without `notebook` the
    only one in the folder is taken; a `.yaml` is taken as a pipeline. Raises `Conflict` when there is a project file
    already, `NotFound` or `InvalidInput` when it is not clear which notebook is meant.
    """
    file = folder / FILE_NAME
    if file.exists():
        raise Conflict("there is a project file already", place=str(file), remedy="tidemill check looks at it")
    source = notebook if notebook is not None else _only_notebook(folder)
    if not (folder / source).is_file():
        raise NotFound("there is no such notebook", place=str(folder / source), remedy="name one that is there")
    key = "pipeline" if source.endswith((".yaml", ".yml", ".json")) else "notebook"
    name = _name(folder, source)
    escaped = source.replace("\\", "\\\\").replace('"', '\\"')
    fitted = _fitted(folder / source) if key == "notebook" else None
    output, sample, training = "train.model", "features.X_test", "features.X_train"
    if fitted is not None:
        output, sample, training = fitted.model, fitted.sample, fitted.training or UNKNOWN
    model, service = MODEL.format(name=name, output=output, sample=sample), SERVICE.format(name=name)
    if fitted is None:
        model, service = _commented(model), _commented(service)
    parts = {"model": model, "hygiene": _hygiene(sample, training), "service": service}
    _write(file, TEMPLATE.format(name=name, key=key, source=escaped, **parts))
    return file


def _hygiene(sample: str, training: str) -> str:
    """The rows that the model is measured by and those it learnt from; what the notebook does not show is for words."""
    lines = HYGIENE.format(evaluation=sample if sample != training else UNKNOWN, training=training)
    for key, what in (("evaluation", "rows that the model has not learnt from"), ("training", "rows it learnt from")):
        lines = lines.replace(f'# {key} = "{UNKNOWN}"', f'# {key} = "{UNKNOWN}"  # {what}')
    return lines


def _fitted(notebook: Path) -> Fitted | None:
    """The model of a notebook; None also for one that cannot be read, which `tidemill check` says better."""
    from tidemill.notebooks import find_fitted  # the analysis of cells, for notebooks only

    try:
        return find_fitted(notebook)
    except TidemillError:
        return None


def _commented(text: str) -> str:
    return "".join(f"# {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def _only_notebook(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("*.ipynb"))
    if not found:
        raise NotFound("there is no notebook", place=str(folder), remedy="name one: tidemill init NOTEBOOK")
    if len(found) > 1:
        names = ", ".join(found)
        raise InvalidInput(f"there are several notebooks: {names}", place=str(folder), remedy="name one of them")
    return found[0]


def _name(folder: Path, source: str) -> str:
    """A name from the notebook's, or from the folder's when that says nothing."""
    stem = Path(source).stem.lower()
    if stem in ("pipeline", "notebook", "untitled", "main", "index"):
        stem = folder.absolute().name.lower()
    plain = re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63].strip("-")
    return plain or "project"


def _write(file: Path, text: str) -> None:
    """Written beside and linked into place: never half a file, never over one that came meanwhile."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=".tidemill-", delete=False) as made:
            made.write(text)
        temporary = Path(made.name)
        try:
            temporary.chmod(0o644)
            os.link(temporary, file)
        finally:
            temporary.unlink()
    except FileExistsError as problem:
        raise Conflict("there is a project file already", place=str(file)) from problem
    except OSError as problem:
        raise InvalidInput(f"cannot be written: {problem.strerror}", place=str(file)) from problem

"""The project that faults strike while it is searched: a pipeline of one step, whose loss is its parameter itself."""

from __future__ import annotations

import json
from pathlib import Path

from tidemill.engine.testing import Step, pipeline_of

TELL = 'printf %s "$1" > "$2"'
"""A body that ends at once: `$1` is alpha, `$2` the file of the loss."""

PROJECT = """
[project]
name = "search"
pipeline = "search.json"

[tuning]
objective = "measure.loss"
direction = "minimize"
trials = {trials}
parallel = {parallel}
seed = 1

[tuning.space.alpha]
type = "float"
low = 0.0
high = 1.0
"""


def write_search(folder: Path, *, trials: int, parallel: int, script: str = TELL) -> None:
    """Write pipeline and project file into a folder; `script` is the body of the step."""
    paths = ["{{$.inputs.parameters['alpha']}}", "{{$.outputs.parameters['loss'].output_file}}"]
    command = ["sh", "-c", script, "sh", *paths]
    step = Step(name="measure", command=command, inputs={"alpha": "$alpha"}, outputs={"loss": float})
    pipeline = pipeline_of(step, name="search", parameters={"alpha": float})
    (folder / "search.json").write_text(json.dumps(pipeline.raw))
    (folder / "tidemill.toml").write_text(PROJECT.format(trials=trials, parallel=parallel))

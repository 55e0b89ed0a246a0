"""Reading the objective of a run."""

from __future__ import annotations

import math
from typing import Any

from tidemill.artifacts import Artifact
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.registry import RunOutputs


def objective_value(site: Site, namespace_id: str, run_id: str, objective: str) -> float:
    """The number that an objective names in a succeeded run; `NotFound` or `InvalidInput` when there is none."""
    outputs = RunOutputs(site, namespace_id, run_id)
    reference, _, name = objective.rpartition(".")
    if not reference:
        found: Any = outputs.metrics().get(name)
    elif "." in reference:
        found = _of_artifact(outputs.output(reference), name)
    else:
        found = outputs.output(objective)
    if found is None:
        raise NotFound(f"the run reports no {objective}", place=f"run {run_id}")
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise InvalidInput(f"{objective} is not a finite number: {str(found)[:80]}", place=f"run {run_id}")
    return float(found)


def _of_artifact(found: Any, name: str) -> Any:
    return found.metadata.get(name) if isinstance(found, Artifact) else None

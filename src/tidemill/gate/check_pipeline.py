"""The check of a pipeline version that asks alone: it ran to its end here, and all that decides its code is known."""

from __future__ import annotations

from typing import Any

from tidemill.base.site import Site
from tidemill.engine import State, TaskKind
from tidemill.gate.approved_pipeline import approved_pipeline
from tidemill.gate.model import CheckResult, CheckState, PipelineVersion
from tidemill.gate.pipeline_difference import difference
from tidemill.gate.pipeline_version import pipeline_version_of
from tidemill.registry import RunOutputs


def check_pipeline(site: Site, namespace_id: str, wanted: PipelineVersion, environment: str) -> CheckResult:
    """Passed when the run succeeded, is recorded as it was when the review was opened, and each of its steps ran in a
    lock; the evidence says what differs from the pipeline version that is approved for the environment."""
    outputs = RunOutputs(site, namespace_id, wanted.run_id)
    run, tasks = outputs.recorded.run, outputs.recorded.tasks
    faults = []
    if run.state is not State.SUCCEEDED:
        faults.append(f"the run is {run.state.value}")
    if pipeline_version_of(site, outputs, wanted.project) != wanted:
        faults.append("the run is recorded otherwise than when this review was opened")
    ran = [task for task in tasks if task.kind is TaskKind.CONTAINER and task.state is State.SUCCEEDED]
    loose = sorted(task.path for task in ran if task.lock_digest is None)
    if loose:
        faults.append(f"nothing says what {', '.join(loose)} ran with: no requirements, no lock")
    with site.database.read() as connection:
        known = approved_pipeline(connection, site, namespace_id, wanted.project, environment)
    found = difference(site, namespace_id, wanted, known)
    evidence = {"run_id": run.id, "steps_run": len(ran), "difference": found}
    if faults:
        return CheckResult(state=CheckState.FAILED, summary="; ".join(faults), evidence=evidence)
    summary = f"{len(ran)} steps ran to their end, each in its lock; {in_words(found)}"
    return CheckResult(state=CheckState.PASSED, summary=summary, evidence=evidence)


def in_words(found: dict[str, Any]) -> str:
    """A difference as a sentence."""
    if found["against"] is None:
        return "no pipeline version was approved before"
    parts = [f"{step['step']} {step['change']}" for step in found["steps"]]
    parts += [f"{name} {old!r} → {new!r}" for name, (old, new) in found["parameters"].items()]
    parts += [f"another lock at {path}" for path in found["locks"]]
    if found["data"][0] != found["data"][1]:
        parts.append("other data files")
    return "against the approved one: " + ("; ".join(parts) or "only the order or the names of its parts")

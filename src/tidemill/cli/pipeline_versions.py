"""Pipeline versions in `tidemill review`: which run one is taken from, and how one reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.base.errors import NotFound
from tidemill.cli.context import Context
from tidemill.cli.output import say
from tidemill.cli.runs_commands import find_run

if TYPE_CHECKING:
    from tidemill.project import Project


def pipeline_run(context: Context, project: Project, named: str | None) -> str:
    """The id of the run that a pipeline version is taken from.

    `named` is a run, or a notebook or pipeline file: then it is the newest run that succeeded with just what the file
    compiles to; so it is for the project's own file when nothing is named. `NotFound` when it has not run like that.
    """
    if named is not None and not Path(named).exists():
        return find_run(context, named)
    from tidemill.project.prepare import prepare  # the analysis of cells, for files only

    prepared = prepare(project.path if named is None else Path(named), {})
    digest = prepared.pipeline.digest
    found = context.connection.pages("/runs", limit=200, state="SUCCEEDED", spec_digest=digest)
    runs = [run for run in found if run["origin"].get("project") == project.name]
    if not runs:
        raise NotFound(
            f"{prepared.origin['file']} as it is now has not run to its end here",
            place=digest,
            remedy="tidemill run, then ask again",
        )
    return str(runs[0]["id"])


def pipeline_line(pipeline: dict[str, Any] | None) -> dict[str, str]:
    """The line of a review about the pipeline version that is approved with it."""
    if pipeline is None:
        return {}
    return {"pipeline": f"{pipeline['digest']} of {pipeline['project']}, as run {pipeline['run_id'][-12:]} had it"}


def print_difference(found: dict[str, Any]) -> None:
    """What differs from the approved pipeline version: steps with their lines, parameters, locks."""
    against = found["against"]
    if found["same"]:
        say(f"the pipeline version is the one that was approved in review {against['review_id'][-12:]}")
        return
    if against is None:
        say("no pipeline version was approved there before: all of it is new")
        return
    say(f"what differs from the pipeline version approved in review {against['review_id'][-12:]}:")
    for step in found["steps"]:
        say(f"  step {_shown(step['step'])}: {step['change']}")
        for line in step["lines"]:
            say(f"    {_shown(line)}")
        if step["more_lines"]:
            say(f"    ... and {step['more_lines']} more lines")
    for kind, pairs in (("parameter", found["parameters"]), ("lock of", found["locks"])):
        for name, (old, new) in pairs.items():
            say(f"  {kind} {_shown(name)}: {old!r} → {new!r}")


def _shown(text: str) -> str:
    """Text of somebody's code as a terminal may get it: no control characters."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text.expandtabs(4))

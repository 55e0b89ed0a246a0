"""`tidemill runs`: what ran, why it failed, and how it goes on."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import ago, print_fields, print_json, print_table, say
from tidemill.cli.run_outcome import follow_run, report_run

AT_WORK = frozenset({"PENDING", "RUNNING", "CANCELING"})
LimitOption = Annotated[int, typer.Option(help="How many, newest first.", min=1)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its last characters.")]


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    runs = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Runs: list, show, logs, resume, cancel.")
    runs.command("list")(listing)
    for verb in (show, logs, resume, cancel):
        runs.command()(verb)
    app.add_typer(runs, name="runs")


def listing(
    command: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only runs in this state, such as FAILED.")] = None,
    experiment: Annotated[str | None, typer.Option(help="Only runs of this experiment.")] = None,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first.

    Examples: tidemill runs list; tidemill runs list --state FAILED
    """
    found = context_of(command).connection.pages("/runs", limit=limit, state=state, experiment=experiment)
    if as_json:
        print_json(found)
        return
    rows = [
        (run["id"][-12:], run["pipeline_name"], run["state"], run["author"], ago(run["created_at"])) for run in found
    ]
    print_table(["RUN", "PIPELINE", "STATE", "BY", "WHEN"], rows, empty="No runs yet: tidemill run pipeline.ipynb")


def show(command: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run: its parameters, tasks, metrics, and why it failed.

    Example: tidemill runs show 5f0c2a7b9d11
    """
    context = context_of(command)
    run_id = find_run(context, run)
    found = context.connection.get(f"/runs/{run_id}")
    tasks = context.connection.get(f"/runs/{run_id}/tasks")
    metrics = context.connection.get(f"/runs/{run_id}/metrics")
    if as_json:
        print_json({**found, "tasks": tasks, "metrics": metrics})
        return
    data = ", ".join(f"{path} {version}" for path, version in (found["origin"].get("data") or {}).items())
    print_fields(
        {
            "run": found["id"],
            "pipeline": found["pipeline_name"],
            "state": found["state"],
            "by": f"{found['author']}, {ago(found['created_at'])}",
            "source": found["origin"].get("file") or "-",
            "commit": found["origin"].get("commit") or "-",
            "data": data or "-",
            "parameters": ", ".join(f"{k}={v}" for k, v in found["parameters"].items() if not k.startswith("data_"))
            or "-",
        }
    )
    report_run(found, tasks)
    rows = [(each["task"], each["name"], _number(each["value"])) for each in metrics]
    if rows:
        print_table(["TASK", "METRIC", "VALUE"], rows, empty="")


def logs(
    command: typer.Context,
    run: RunArgument,
    task: Annotated[str | None, typer.Argument(help="The task; all of them when not given.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the task has ended.")] = False,
) -> None:
    """Print what a run's tasks wrote.

    Examples: tidemill runs logs 5f0c2a7b9d11; tidemill runs logs 5f0c2a7b9d11 train -f
    """
    context = context_of(command)
    run_id = find_run(context, run)
    tasks = (
        [task]
        if task
        else [each["path"] for each in context.connection.get(f"/runs/{run_id}/tasks") if each["attempts"]]
    )
    for path in tasks:
        if task is None:
            say(f"── {path}")
        _print_log(context, run_id, path, follow)


def resume(command: typer.Context, run: RunArgument, as_json: JsonOption = False) -> None:
    """Go on with a run that failed or was cancelled: what finished is kept.

    Exit status 1 when it fails again. Example: tidemill runs resume 5f0c2a7b9d11
    """
    context = context_of(command)
    run_id = find_run(context, run)
    state = context.connection.get(f"/runs/{run_id}")["state"]
    if not (context.connection.is_embedded and state in AT_WORK):
        context.connection.post(f"/runs/{run_id}/resume")
    # else whoever was at it may have been killed: this process takes the run over, or waits for its worker
    follow_run(context, run_id, as_json=as_json)


def cancel(command: typer.Context, run: RunArgument) -> None:
    """Stop a run: its steps get TERM, then KILL.

    Example: tidemill runs cancel 5f0c2a7b9d11
    """
    context = context_of(command)
    run_id = find_run(context, run)
    told = context.connection.post(f"/runs/{run_id}/cancel")
    say(f"run {run_id[-12:]} is {told['state']}")


def find_run(context: Context, reference: str) -> str:
    """The id of a run from its id, or from the last characters that the list shows."""
    from tidemill.base.errors import Conflict, NotFound

    if len(reference) == 36:
        return reference
    found = [run["id"] for run in context.connection.pages("/runs", limit=1000) if run["id"].endswith(reference)]
    if not found:
        raise NotFound(f"there is no run {reference!r}", remedy="tidemill runs list")
    if len(found) > 1:
        raise Conflict(f"{len(found)} runs end with {reference!r}", remedy="give more of the id")
    return str(found[0])


def _print_log(context: Context, run_id: str, task: str, follow: bool) -> None:
    offset = 0
    while True:
        piece: dict[str, Any] = context.connection.get(f"/runs/{run_id}/logs", task=task, offset_bytes=offset)
        sys.stdout.write(piece["text"])
        offset = piece["next_offset_bytes"]
        if piece["is_complete"] or not (follow or piece["text"]):
            return
        if not piece["text"]:
            time.sleep(0.2)


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

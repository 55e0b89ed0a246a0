"""Following a run to its end, and saying how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import typer

from tidemill.base.ballast import Ballast
from tidemill.base.errors import RunFailed, StorageFull
from tidemill.cli.context import Context
from tidemill.cli.interrupt import cancel_on_interrupt
from tidemill.cli.output import note, note_error, print_json, print_table, say, shortened, wrapped

POLL_SECONDS = 0.15
INTERRUPTED = 130
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED", "PAUSED"})


def follow_run(context: Context, run_id: str, *, as_json: bool) -> dict[str, Any]:
    """See a run through and report it; one that did not succeed ends the command with exit status 1, or 7 when it
    failed for want of room on the disk.

    Without a live site this process is the worker.
    """
    was_interrupted = False
    if context.connection.is_embedded:
        run, tasks, was_interrupted = _work_here(context, run_id)
    else:
        try:
            if not as_json:
                _watch(context, run_id)
            run = _until_final(context, run_id)
        except KeyboardInterrupt:
            note(f"run {run_id} goes on at the site; stop it with: tidemill runs cancel {run_id[-12:]}")
            raise
        tasks = context.connection.get(f"/runs/{run_id}/tasks")
    if as_json:
        print_json(outcome(run, tasks))
    else:
        report_run(run, tasks)
    if was_interrupted and run["state"] == "CANCELED":
        note(f"what finished is kept; go on with: tidemill runs resume {run_id[-12:]}")
        raise typer.Exit(INTERRUPTED)
    if run["state"] != "SUCCEEDED":
        is_full = (run["failure"] or {}).get("error") == StorageFull.code
        raise typer.Exit(StorageFull.exit_status if is_full else RunFailed.exit_status)
    return run


def _work_here(context: Context, run_id: str) -> tuple[dict[str, Any], list[dict[str, Any]], bool]:
    """Be the worker, and read the outcome without the API: its libraries cost more than a cached run.

    The last of the three says whether somebody pressed Ctrl-C.
    """
    from tidemill.engine import get_run, list_tasks

    platform = context.platform
    worker = platform.open_worker()
    try:
        with cancel_on_interrupt(platform.site, platform.actor, run_id) as interrupted:
            worker.run_until_done(run_id)
    finally:
        worker.close()
        Ballast(home=platform.home).restore()  # what the steps left behind is removed by now
    run = get_run(platform.site, platform.actor, run_id)
    tasks = list_tasks(platform.site, platform.actor, run_id)
    failure = None if run.failure is None else run.failure.to_json()
    told = {"id": run.id, "state": run.state.value, "outputs": run.outputs, "failure": failure}
    rows = [
        {
            "path": task.path,
            "state": task.state.value,
            "cached": task.cached,
            "seconds": task.seconds,
            "started_at": task.started_at,
        }
        for task in tasks
    ]
    return told, rows, interrupted.is_set()


def outcome(run: dict[str, Any], tasks: list[dict[str, Any]]) -> dict[str, Any]:
    """What `--json` prints last."""
    return {
        "run_id": run["id"],
        "state": run["state"],
        "outputs": run["outputs"],
        "tasks": [
            {"name": task["path"], "state": task["state"], "cached": task["cached"], "seconds": task["seconds"]}
            for task in tasks
        ],
        **({"failure": run["failure"]} if run["failure"] else {}),
    }


def report_run(run: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    """The tasks as a table, then what went wrong and what to do."""
    rows = [
        (task["path"], task["state"], "cache" if task["cached"] else "", _seconds(task["seconds"]))
        for task in sorted(tasks, key=_order)
    ]
    print_table(["TASK", "STATE", "FROM", "SECONDS"], rows, empty="no tasks yet")
    for name, value in ((run["outputs"] or {}).get("parameters") or {}).items():
        say(f"output {name}: {shortened(str(value))}")
    failure = run["failure"]
    if failure:
        note_error(shortened(failure["message"]), place=_place(failure), remedy=None)
        # a place in a notebook says more than the end of the log, which would be the traceback to it
        for line in () if failure["notebook"] else failure["log_tail"][-8:]:
            note(f"    {line}")
        if failure["remedy"]:
            note(wrapped(f"  → {failure['remedy']}"))
    say(f"run {run['id']} {run['state']}")


def _watch(context: Context, run_id: str) -> None:
    """Say each task when it ends."""
    said: set[str] = set()

    def look() -> bool:
        state = context.connection.get(f"/runs/{run_id}")["state"]
        for task in context.connection.get(f"/runs/{run_id}/tasks"):
            if task["state"] in FINAL and task["id"] not in said:
                said.add(task["id"])
                note(f"  {task['path']} {task['state']}{' (cache)' if task['cached'] else ''}")
        return state in FINAL

    _poll(look)


def _until_final(context: Context, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(context.connection.get(f"/runs/{run_id}"))
        return found["state"] in FINAL

    _poll(look)
    return found


def _poll(look: Callable[[], bool]) -> None:
    while not look():
        time.sleep(POLL_SECONDS)


def _order(task: dict[str, Any]) -> str:
    """By start; what has not started comes last."""
    return str(task["started_at"] or "~")


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _place(failure: dict[str, Any]) -> str | None:
    if failure["notebook"]:
        line = f", line {failure['line']}" if failure["line"] else ""
        return f"{failure['notebook']}, cell {failure['cell']}{line}"
    return failure["task"] or None

"""`tidemill tune`: search the parameters that the project names."""

from __future__ import annotations

import threading
import time
from typing import Annotated, Any

import typer

from tidemill.base.errors import InvalidInput, RunFailed
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import note, print_json, print_table, say
from tidemill.cli.run_commands import FileArgument, prepare_submission
from tidemill.project.model import TuningPlan

POLL_SECONDS = 0.2
LOOK_SECONDS = 0.02


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command tree."""
    app.command()(tune)


def tune(
    command: typer.Context,
    file: FileArgument = None,
    trials: Annotated[
        int | None, typer.Option(help="How many trials; the project's number when not given.", min=1)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search the best parameters, as [tuning] of the project says; the best trial's run is the candidate.

    Exit status 1 when no trial succeeds. Examples: tidemill tune; tidemill tune --trials 50
    """
    from tidemill.project.prepare import prepare

    context = context_of(command)
    project = prepare(file, {}).project
    if project is None or project.tuning is None:
        raise InvalidInput(
            "a tuning needs the table [tuning] of a project",
            place=str(file or "tidemill.toml"),
            remedy="tidemill init writes a tidemill.toml with an example",
        )
    submission = prepare_submission(context, file, {}, quiet=as_json)
    body = _body(project.name, project.tuning, submission)
    if trials is not None:
        body["trials"] = trials
    tuning_id = context.connection.post("/tunings", body)["id"]
    tuning = _follow(context, tuning_id, quiet=as_json)
    if as_json:
        print_json(tuning)
    else:
        _report(tuning)
    if tuning["state"] != "succeeded":
        raise RunFailed("no trial succeeded", place=f"tuning {tuning_id}", remedy="tidemill runs list --state FAILED")


def _body(name: str, plan: TuningPlan, submission: dict[str, Any]) -> dict[str, Any]:
    """The tuning as the API takes it; what is searched is not fixed."""
    space = {parameter: dict(each) for parameter, each in plan.space.items()}
    return {
        "pipeline": submission["spec"],
        "space": space,
        "objective": plan.objective,
        "direction": plan.direction,
        "trials": plan.trials,
        "parallel": plan.parallel,
        "seed": plan.seed,
        "name": name,
        "experiment": submission["experiment"],
        "parameters": {key: value for key, value in submission["parameters"].items() if key not in space},
        "origin": submission["origin"],
    }


def _follow(context: Context, tuning_id: str, *, quiet: bool) -> dict[str, Any]:
    if context.connection.is_embedded:
        _work_here(context, tuning_id, quiet=quiet)
    said: set[int] = set()
    while True:
        tuning: dict[str, Any] = context.connection.get(f"/tunings/{tuning_id}")
        if not quiet:
            _say_trials(tuning["trials"], said)
        if tuning["state"] != "running":
            return tuning
        time.sleep(POLL_SECONDS)


def _work_here(context: Context, tuning_id: str, *, quiet: bool) -> None:
    """Without a site this process is both the worker and the one who advances the tuning."""
    from tidemill.tuning import TuningState, advance_tuning

    platform = context.platform
    site, namespace_id = platform.site, platform.actor.namespace_id
    done = threading.Event()
    problems: list[BaseException] = []

    def advance() -> None:
        try:
            while advance_tuning(site, namespace_id, tuning_id).state is TuningState.RUNNING:
                time.sleep(LOOK_SECONDS)
        except BaseException as problem:  # noqa: BLE001 - raised again by the thread that waits
            problems.append(problem)
        finally:
            done.set()

    thread = threading.Thread(target=advance, name="tuning")
    worker = platform.open_worker()
    try:
        thread.start()
        worker.serve(done)
    finally:
        worker.close()
        thread.join()
    if problems:
        raise problems[0]
    if not quiet:
        note("the trials ran in this process; `tidemill up` keeps a worker warm")


def _say_trials(trials: list[dict[str, Any]], said: set[int]) -> None:
    for trial in trials:
        if trial["state"] in {"succeeded", "failed", "cancelled"} and trial["number"] not in said:
            said.add(trial["number"])
            value = "" if trial["value"] is None else f" {trial['value']:.6g}"
            note(f"  trial {trial['number']} {trial['state']}{value} {_short(trial['parameters'])}")


def _report(tuning: dict[str, Any]) -> None:
    ended = [trial for trial in tuning["trials"] if trial["value"] is not None]
    ended.sort(key=lambda trial: trial["value"], reverse=tuning["direction"] == "maximize")
    rows = [
        (trial["number"], f"{trial['value']:.6g}", _short(trial["parameters"]), (trial["run_id"] or "")[-12:])
        for trial in ended[:5]
    ]
    print_table(["TRIAL", tuning["objective"], "PARAMETERS", "RUN"], rows, empty="no trial gave the objective")
    if tuning["candidate_run_id"]:
        say(f"best of {len(tuning['trials'])}: run {tuning['candidate_run_id']}; next: tidemill review open")


def _short(parameters: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}" for name, value in parameters.items()
    )

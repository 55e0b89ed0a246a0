"""`tidemill tune`: search the parameters that the project names."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.base.errors import Conflict, InvalidInput, NotFound, RunFailed
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.interrupt import on_interrupt
from tidemill.cli.output import note, print_json, print_table, say
from tidemill.cli.run_commands import FileArgument, prepare_submission
from tidemill.cli.run_outcome import INTERRUPTED

if TYPE_CHECKING:
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
    resume: Annotated[
        str | None, typer.Option(metavar="TUNING", help="Go on with one that was interrupted, by its id's end.")
    ] = None,
    cancel: Annotated[
        str | None, typer.Option(metavar="TUNING", help="Stop one that goes on, and its trials; by its id's end.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search the best parameters, as [tuning] of the project says; the best trial's run is the candidate.

    Exit status 1 when no trial succeeds. Examples: tidemill tune; tidemill tune --trials 50;
    tidemill tune --resume 5f0c2a7b9d11
    """
    context = context_of(command)
    if cancel is not None:
        stopped = context.connection.post(f"/tunings/{_find(context, cancel)}/cancel")
        if as_json:
            print_json(stopped)
        else:
            say(f"tuning {stopped['id']} is {stopped['state']}; {_kept(stopped)}")
        return
    tuning_id = _started(context, file, trials, quiet=as_json) if resume is None else _find(context, resume)
    tuning = _follow(context, tuning_id, quiet=as_json)
    if as_json:
        print_json(tuning)
    elif tuning["state"] != "running":
        _report(tuning)
    if tuning["state"] == "running":
        _say_how_to_go_on(tuning)
        raise typer.Exit(INTERRUPTED)
    if tuning["state"] == "cancelled":
        raise RunFailed("the tuning was stopped", place=f"tuning {tuning_id}", remedy="tidemill tune starts a new one")
    if tuning["state"] != "succeeded":
        raise RunFailed("no trial succeeded", place=f"tuning {tuning_id}", remedy="tidemill runs list --state FAILED")


def _started(context: Context, file: Path | None, trials: int | None, *, quiet: bool) -> str:
    """The id of a new tuning, as the project says."""
    from tidemill.project.prepare import prepare

    project = prepare(file, {}).project
    if project is None or project.tuning is None:
        raise InvalidInput(
            "a tuning needs the table [tuning] of a project",
            place=str(file or "tidemill.toml"),
            remedy="tidemill init writes a tidemill.toml with an example",
        )
    submission = prepare_submission(context, file, {}, quiet=quiet)
    body = _body(project.name, project.tuning, submission)
    if trials is not None:
        body["trials"] = trials
    return str(context.connection.post("/tunings", body)["id"])


def _find(context: Context, reference: str) -> str:
    """The id of a tuning from its id, or from its last characters."""
    found = [each["id"] for each in context.connection.pages("/tunings", limit=1000) if each["id"].endswith(reference)]
    if not found:
        raise NotFound(f"there is no tuning {reference!r}", remedy="give the id that tidemill tune named")
    if len(found) > 1:
        raise Conflict(f"{len(found)} tunings end with {reference!r}", remedy="give more of the id")
    return str(found[0])


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
    """The tuning when it has ended, or was interrupted while this process was its worker."""
    is_embedded = context.connection.is_embedded
    was_interrupted = is_embedded and _work_here(context, tuning_id, quiet=quiet)
    said: set[int] = set()
    with nullcontext() if is_embedded else _told_of_the_site(tuning_id):
        while True:
            tuning: dict[str, Any] = context.connection.get(f"/tunings/{tuning_id}")
            if not quiet:
                _say_trials(tuning["trials"], said)
            if tuning["state"] != "running" or was_interrupted:
                return tuning
            time.sleep(POLL_SECONDS)


@contextmanager
def _told_of_the_site(tuning_id: str) -> Iterator[None]:
    """Whoever stops watching is told that the site goes on."""
    try:
        yield
    except KeyboardInterrupt:
        short = tuning_id[-12:]
        note(f"tuning {tuning_id} goes on at the site; watch it again with: tidemill tune --resume {short}")
        note(f"stop it with: tidemill tune --cancel {short}")
        raise


def _work_here(context: Context, tuning_id: str, *, quiet: bool) -> bool:
    """Without a site this process is both the worker and the one who advances the tuning; True after Ctrl-C.

    Then the steps of the trials in flight end. Their runs and the tuning stay as they are: whoever goes on with the
    tuning, or a site, runs these steps again.
    """
    from tidemill.tuning import TuningState, advance_tuning

    platform = context.platform
    site, namespace_id = platform.site, platform.actor.namespace_id
    done = threading.Event()
    problems: list[BaseException] = []

    def advance() -> None:
        try:
            while not asked.is_set() and advance_tuning(site, namespace_id, tuning_id).state is TuningState.RUNNING:
                asked.wait(LOOK_SECONDS)
        except BaseException as problem:  # noqa: BLE001 - raised again by the thread that waits
            problems.append(problem)
        finally:
            done.set()

    thread = threading.Thread(target=advance, name="tuning")
    worker = platform.open_worker()
    with on_interrupt(lambda: note("ending the trials in flight; Ctrl-C again leaves at once")) as asked:
        try:
            thread.start()
            worker.serve(done)
            was_asked = asked.is_set()
        finally:
            asked.set()
            worker.close()
            thread.join()
    if problems:
        raise problems[0]
    if not quiet:
        note("the trials ran in this process; `tidemill up` keeps a worker warm")
    return was_asked


def _say_trials(trials: list[dict[str, Any]], said: set[int]) -> None:
    for trial in trials:
        if trial["state"] in {"succeeded", "failed", "cancelled"} and trial["number"] not in said:
            said.add(trial["number"])
            value = "" if trial["value"] is None else f" {trial['value']:.6g}"
            note(f"  trial {trial['number']} {trial['state']}{value} {_short(trial['parameters'])}")


def _kept(tuning: dict[str, Any]) -> str:
    ended = sum(trial["value"] is not None for trial in tuning["trials"])
    return f"{ended} of {tuning['trials_wanted']} trials have a result"


def _say_how_to_go_on(tuning: dict[str, Any]) -> None:
    short = tuning["id"][-12:]
    note(f"tuning {tuning['id']}: {_kept(tuning)}, which is kept; go on with: tidemill tune --resume {short}")
    note(f"a site that is started goes on with it, too; give it up with: tidemill tune --cancel {short}")


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

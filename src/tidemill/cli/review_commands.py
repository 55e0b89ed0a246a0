"""`tidemill review`: ask for a candidate to pass, look at it, decide."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import ago, note, print_fields, print_json, print_table, say
from tidemill.cli.pipeline_versions import pipeline_line, pipeline_run, print_difference
from tidemill.cli.runs_commands import find_run

if TYPE_CHECKING:
    from tidemill.project import Project

SHORT_DIGITS = 12
ReviewArgument = Annotated[str, typer.Argument(metavar="REVIEW", help="The id of a review, or its last characters.")]


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    review = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Reviews: what may go live, and who says so."
    )
    review.command("open")(open_one)
    review.command("list")(listing)
    for verb in (show, approve, reject, withdraw, evidence):
        review.command()(verb)
    app.add_typer(review, name="review")


def open_one(
    command: typer.Context,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run; the newest tuning's best, else the newest, when not given."),
    ] = None,
    environment: Annotated[
        str | None, typer.Option(help="Where it shall be live; the service's own when not given.")
    ] = None,
    pipeline: Annotated[
        bool, typer.Option("--pipeline", help="Ask for the pipeline version alone, of a run or of a file.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask for a run's model to go live: package it, run the checks, wait for approvers.

    Exit status 1 when a check fails. Examples: tidemill review open; tidemill review open 5f0c2a7b9d11;
    tidemill review open --pipeline; tidemill review open --pipeline pipeline.ipynb
    """
    context = context_of(command)
    project = current_project()
    if project.service is None or (project.model is None and not pipeline):
        raise InvalidInput("a review needs the tables [model] and [service]", place=str(project.path))
    where = environment or project.service.environment
    from tidemill.project.requests import policy_json

    body = {"environment": where, "service": project.service.name, "policy": policy_json(project, where)}
    if pipeline:
        body["run_id"] = pipeline_run(context, project, run)
        review = context.connection.post("/pipeline-reviews", body)
    else:
        run_id = find_run(context, run) if run else _candidate(context, project)
        body["model_version"] = _register(context, project, run_id)["id"]
        review = context.connection.post("/reviews", body)
    if as_json:
        print_json(review)
    else:
        _print(review, _decision(context, review))
    _note_policy(project, where, review)
    if review["checks_state"] == "failed":
        raise typer.Exit(1)


def listing(
    command: typer.Context,
    state: Annotated[str | None, typer.Option(help="open, approved, rejected, withdrawn or superseded.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List reviews, newest first.

    Examples: tidemill review list; tidemill review list --state open
    """
    found = context_of(command).connection.pages("/reviews", limit=limit, state=state)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"][-12:],
            each["model_version"],
            each["service"],
            each["state"].upper(),
            each["checks_state"],
            ago(each["opened_at"]),
        )
        for each in found
    ]
    print_table(
        ["REVIEW", "VERSION", "SERVICE", "STATE", "CHECKS", "OPENED"], rows, empty="No reviews: tidemill review open"
    )


def show(command: typer.Context, review: ReviewArgument, as_json: JsonOption = False) -> None:
    """Show a review: what is asked for, what the checks found, who approved.

    Example: tidemill review show 5f0c2a7b9d11
    """
    context = context_of(command)
    found = _find(context, review)
    decision = _decision(context, found)
    if as_json:
        print_json({**found, "decision": decision})
        return
    _print(found, decision)
    if found["pipeline"] is not None and found["state"] == "open":
        print_difference(context.connection.get(f"/reviews/{found['id']}/pipeline-difference"))


def approve(
    command: typer.Context,
    review: ReviewArgument,
    digest: Annotated[
        str | None,
        typer.Option(help="The package that you looked at, 12 digits at least; what the review shows when not given."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say yes, signed; the model goes live when enough approvers did. Its author cannot.

    Example: TIDEMILL_TOKEN=... tidemill review approve 5f0c2a7b9d11
    """
    context = context_of(command)
    found = _find(context, review)
    body = {"package_digest": whole_digest(digest, found["package_digest"])}
    decided = context.connection.post(f"/reviews/{found['id']}/approve", body)
    if as_json:
        print_json(decided)
        return
    given, needed = len(decided["approvals"]), decided["approvals_needed"]
    say(f"approved {decided['model_version']} ({given} of {needed}); the review is {decided['state']}")
    if decided["state"] == "approved" and decided["about"] == "model":
        note(f"it is loaded now; see it come up: tidemill service show {decided['service']}")


def whole_digest(given: str | None, shown: str) -> str:
    """The digest that was given; the review's own for none, and for its first digits as commands print them."""
    digits = (given or "").removeprefix("sha256:")
    is_short = len(digits) >= SHORT_DIGITS and shown.removeprefix("sha256:").startswith(digits)
    return shown if given is None or is_short else given


def reject(
    command: typer.Context,
    review: ReviewArgument,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; it is kept.")],
) -> None:
    """Say no, and why.

    Example: tidemill review reject 5f0c2a7b9d11 --reason "the sample is too small"
    """
    context = context_of(command)
    decided = context.connection.post(f"/reviews/{_find(context, review)['id']}/reject", {"reason": reason})
    say(f"the review of {decided['model_version']} is {decided['state']}")


def withdraw(command: typer.Context, review: ReviewArgument) -> None:
    """Take your request back.

    Example: tidemill review withdraw 5f0c2a7b9d11
    """
    context = context_of(command)
    decided = context.connection.post(f"/reviews/{_find(context, review)['id']}/withdraw")
    say(f"the review of {decided['model_version']} is {decided['state']}")


def evidence(
    command: typer.Context,
    review: ReviewArgument,
    folder: Annotated[Path | None, typer.Option("--output", "-o", help="A new folder for it.")] = None,
) -> None:
    """Write the evidence pack: the signed record of a decision, as JSON and HTML, to be checked offline.

    Example: tidemill review evidence 5f0c2a7b9d11 -o evidence
    """
    context = context_of(command)
    found = _find(context, review)
    target = folder or Path(f"evidence-{found['model_version'].replace('@', '-').replace(' ', '-')}")
    packed = context.connection.content(f"/reviews/{found['id']}/evidence")
    target.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for name in archive.namelist():
            # the names come from our own site; a folder in one would still be a mistake
            (target / Path(name).name).write_bytes(archive.read(name))
    say(f"wrote {target}: {', '.join(sorted(path.name for path in target.iterdir()))}")


def current_project() -> Project:
    """The project of this folder; `NotFound` when there is none."""
    from tidemill.project import find_project, load_project

    found = find_project(Path.cwd())
    if found is None:
        raise NotFound("there is no tidemill.toml here or above", place=str(Path.cwd()), remedy="tidemill init")
    return load_project(found)


def _candidate(context: Context, project: Project) -> str:
    """The newest of: the best run of the newest tuning, and the newest run that succeeded."""
    name = project.name
    tunings = [
        each
        for each in context.connection.get("/tunings", page_size=50)["items"]
        if each["name"] == name and each["candidate_run_id"]
    ]
    trials = {trial["run_id"] for each in tunings for trial in each["trials"]}
    runs = context.connection.pages("/runs", limit=200, state="SUCCEEDED", experiment=project.experiment or None)
    runs = [run for run in runs if run["origin"].get("project") == name and run["id"] not in trials]
    if tunings and (not runs or tunings[0]["created_at"] > runs[0]["created_at"]):
        note(f"candidate: the best of {len(tunings[0]['trials'])} trials")
        return str(tunings[0]["candidate_run_id"])
    if not runs:
        raise NotFound("no run of this project succeeded yet", remedy="tidemill run, or tidemill tune")
    return str(runs[0]["id"])


def _register(context: Context, project: Project, run_id: str) -> dict[str, Any]:
    model = project.model
    assert model is not None
    body = {
        "run_id": run_id,
        "model_output": model.output,
        "sample_output": model.sample,
        "profile_output": model.profile or None,
    }
    made: dict[str, Any] = context.connection.post(f"/models/{model.name}/versions", body)
    return made


def _note_policy(project: Project, environment: str, review: dict[str, Any]) -> None:
    """Say so when the review is held to another policy than this file's."""
    from tidemill.project.requests import policy_of

    if policy_of(project, environment).digest != review["policy_digest"]:
        note(f"the policy is that of {review['policy_source']}, and tidemill.toml says another: tidemill plan")


def _find(context: Context, reference: str) -> dict[str, Any]:
    if len(reference) == 36:
        found: dict[str, Any] = context.connection.get(f"/reviews/{reference}")
        return found
    matching = [each for each in context.connection.pages("/reviews", limit=1000) if each["id"].endswith(reference)]
    if len(matching) != 1:
        found_none = f"there is no review {reference!r}"
        several = f"{reference!r} ends the ids of {len(matching)} reviews; give more of it"
        raise NotFound(several if matching else found_none, remedy="tidemill review list")
    return dict(matching[0])


def _decision(context: Context, review: dict[str, Any]) -> dict[str, Any] | None:
    if review["state"] != "approved":
        return None
    found: dict[str, Any] = context.connection.get(f"/reviews/{review['id']}/decision")
    return found


def _decided(decision: dict[str, Any]) -> str:
    """Who let it pass, proven just now; the lines after the first are set in."""
    when = ago(decision["at"]) if decision["at"] else "at no known time"
    behind = decision["behind"]
    if decision["problem"]:
        return f"THIS DOES NOT PROVE: {decision['problem']}"
    if behind is None:
        return f"by {', '.join(decision['people']) or 'nobody, whom the policy asks for'}, {when}"
    lines = (
        f"automatically, {when}: nobody looked at this version",
        f"by the pipeline version of {behind['project']} that run {behind['run_id'][-12:]} had,",
        f"approved by {', '.join(behind['approved_by']) or 'nobody'}, {ago(behind['approved_at'])}, "
        f"in review {behind['review_id'][-12:]} of {behind['version_label']}",
    )
    return "\n           ".join(lines)


def _print(review: dict[str, Any], decision: dict[str, Any] | None = None) -> None:
    print_fields(
        {
            "review": review["id"],
            "version": f"{review['model_version']} for {review['service']} in {review['environment']}",
            **({"package": review["package_digest"]} if review["about"] == "model" else {}),
            **pipeline_line(review["pipeline"]),
            **({"policy": f"of {review['policy_source']}"} if review["policy_source"] else {}),
            "state": review["state"],
            "opened": f"by {review['opened_by']}, {ago(review['opened_at'])}",
            **({"automatic": review["automatic_in_words"]} if review["automatic"] and decision is None else {}),
            **({} if decision is None else {"decided": _decided(decision)}),
            "approvals": f"{len(review['approvals'])} of {review['approvals_needed']}"
            + "".join(f"\n           {each['approver']}, {ago(each['created_at'])}" for each in review["approvals"]),
        }
    )
    rows = [("✔" if each["state"] == "passed" else "✘", each["name"], each["summary"]) for each in review["checks"]]
    print_table(["", "CHECK", "FOUND"], rows, empty="no checks")
    if review["reason"]:
        say(f"reason: {review['reason']}")
    if review["state"] == "open" and review["pipeline"] is not None and review["policy"].get("automatic"):
        say("the policy is automatic: who approves lets later versions by this pipeline version pass by themselves")
    if review["state"] == "open" and review["checks_state"] == "passed":
        say(f"next, as an approver: tidemill review approve {review['id'][-12:]}")

"""`tidemill trigger`: what fires a production run, what fired, and what became of it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import ago, note, print_fields, print_json, print_table, say, shortened, state_text, wrapped

TriggerArgument = Annotated[
    str, typer.Argument(metavar="TRIGGER", help="The name of a trigger, or PROJECT.NAME where two projects have it.")
]
SHOWN_FIRINGS = 5


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    trigger = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Triggers: what fires a production run, and what it did."
    )
    trigger.command("list")(listing)
    for verb in (show, history, preview, fire, pause, resume, secret):
        trigger.command()(verb)
    app.add_typer(trigger, name="trigger")


def listing(
    command: typer.Context,
    project: Annotated[str | None, typer.Option(help="Only those of this project.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the triggers that projects declare.

    Examples: tidemill trigger list; tidemill trigger list --project fuel
    """
    found = context_of(command).connection.get("/triggers", project=project)["items"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["name"], each["project"], each["kind"], _when(each["settings"]), _state(each), _next(each))
        for each in found
    ]
    empty = "No triggers: write [triggers.NAME] into tidemill.toml, then tidemill apply"
    print_table(["TRIGGER", "PROJECT", "ON", "WHEN", "IS", "NEXT"], rows, empty=empty)


def show(command: typer.Context, trigger: TriggerArgument, as_json: JsonOption = False) -> None:
    """Show a trigger: what it waits for, what it does, and its last firings.

    Example: tidemill trigger show nightly
    """
    context = context_of(command)
    found = context.connection.get(_route(trigger))
    firings = _firings(context, trigger, SHOWN_FIRINGS)
    if as_json:
        print_json({**found, "firings": firings})
        return
    policy = f"concurrency {found['concurrency']}, cool-down {found['cooldown_seconds']} s"
    data = f"as {found['branch']} of {found['repository']} has it" if found["repository"] else "the newest recorded"
    fields = {
        "trigger": f"{found['name']} of {found['source']}",
        "on": f"{found['kind']} {_when(found['settings'])}".strip(),
        "runs": f"the approved pipeline version for {found['environment']}; data: {data}",
        "then": found["then"],
        "policy": f"{policy}, catch-up {found['catch_up']}",
        "is": _state(found),
        "looked": ago(found["looked_at"]) if found["looked_at"] else "-",
        "next": _next(found),
        "by": f"{found['created_by']}",
    }
    if found["problem"]:
        fields["problem"] = f"{found['failures']} looks in a row failed: {shortened(found['problem'])}"
    print_fields(fields)
    _print_firings(firings)


def history(
    command: typer.Context,
    trigger: TriggerArgument,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the firings of a trigger, also those that came to nothing, with the reason.

    Examples: tidemill trigger history nightly; tidemill trigger history nightly --limit 100
    """
    found = _firings(context_of(command), trigger, limit)
    if as_json:
        print_json(found)
        return
    _print_firings(found)


def preview(
    command: typer.Context,
    trigger: TriggerArgument,
    count: Annotated[int, typer.Option(help="How many of the next times.", min=1, max=100)] = 5,
    as_json: JsonOption = False,
) -> None:
    """Say when a trigger fires next, on the clock of its zone, and what would run. Changes nothing.

    Examples: tidemill trigger preview nightly; tidemill trigger preview nightly --count 12
    """
    found = context_of(command).connection.get(f"{_route(trigger)}/preview", count=count)
    if as_json:
        print_json(found)
        return
    for time in found["times"]:
        say(datetime.fromisoformat(time).strftime("%a %Y-%m-%d %H:%M:%S %z"))
    if not found["times"]:
        say(f"no times are known beforehand: it fires on {found['trigger']['kind']}")
    if found["refusal"]:
        note(wrapped(f"a firing would be refused: {found['refusal']}; {found['remedy']}".removesuffix("; ")))
        return
    parameters = ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(found["parameters"].items()))
    runs = f"{found['pipeline']} ({found['spec_digest'][7:19]}), approved in review {found['review_id'][-12:]}"
    data = "\n           ".join(found["data"]) or "none"
    print_fields({"runs": runs, "parameters": parameters or "none", "data": data, "then": found["then"]})


def fire(
    command: typer.Context,
    trigger: TriggerArgument,
    key: Annotated[str | None, typer.Option(help="The same key again is the same firing.")] = None,
    reason: Annotated[str, typer.Option("--note", "-n", help="Why; the run remembers it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Fire a trigger now; the site makes the run. Exit status 1 when the firing is refused or held back.

    Examples: tidemill trigger fire nightly; tidemill trigger fire nightly --key 2030-01 --note "the new year's data"
    """
    context = context_of(command)
    made = context.connection.post(f"{_route(trigger)}/fire", {"key": key, "note": reason})
    if as_json:
        print_json(made)
    else:
        said = f"firing {made['id'][-12:]} is {made['state'].upper()}"
        say(f"{said}: {made['reason']}" if made["reason"] else f"{said}; its run is {made['run_id']}")
        if made["remedy"]:
            note(made["remedy"])
        if made["state"] == "waiting" and context.connection.is_embedded:
            note("no site is up: the run is made as soon as one is: tidemill up")
    if made["state"] in ("refused", "skipped"):
        raise typer.Exit(1)


def pause(command: typer.Context, trigger: TriggerArgument, as_json: JsonOption = False) -> None:
    """Let a trigger rest; what comes meanwhile is not made up. A firing under way goes on.

    Example: tidemill trigger pause nightly
    """
    _changed(command, trigger, "pause", as_json=as_json)


def resume(command: typer.Context, trigger: TriggerArgument, as_json: JsonOption = False) -> None:
    """Let a paused trigger work again from now on.

    Example: tidemill trigger resume nightly
    """
    _changed(command, trigger, "resume", as_json=as_json)


def secret(command: typer.Context, trigger: TriggerArgument, as_json: JsonOption = False) -> None:
    """Tell the address and the secret that a git server needs for a webhook.

    Example: tidemill trigger secret new-data
    """
    told = context_of(command).connection.post(f"{_route(trigger)}/secret")
    if as_json:
        print_json(told)
        return
    print_fields({"path": told["path"], "secret": told["secret"]})
    note("GitHub, Gitea, Forgejo: the secret of the webhook; GitLab: its signing token, or its secret token")


def _changed(command: typer.Context, trigger: str, verb: str, *, as_json: bool) -> None:
    found = context_of(command).connection.post(f"{_route(trigger)}/{verb}")
    if as_json:
        print_json(found)
        return
    say(f"{found['name']} is {_state(found)}")


def _route(trigger: str) -> str:
    return f"/triggers/{quote(trigger, safe='')}"


def _firings(context: Context, trigger: str, limit: int) -> list[dict[str, Any]]:
    return list(context.connection.pages(f"{_route(trigger)}/firings", limit=limit))


def _print_firings(firings: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["id"][-12:],
            ago(each["created_at"]),
            _cause(each),
            state_text(each["state"].upper()),
            (each["run_id"] or "-")[-12:],
            each["model_version"] or "-",
        )
        for each in firings
    ]
    print_table(["FIRING", "WHEN", "CAUSE", "STATE", "RUN", "VERSION"], rows, empty="It has not fired yet.")
    for each in firings:
        if each["reason"]:
            remedy = f"; {each['remedy']}" if each["remedy"] else ""
            say(wrapped(f"{each['id'][-12:]}: {shortened(each['reason'])}{remedy}"))


def _cause(firing: dict[str, Any]) -> str:
    cause = {**firing["cause"], "commit": str(firing["cause"].get("commit", ""))[:12]}
    told = next((str(cause[name]) for name in ("time", "alert", "commit", "note", "path", "by") if cause.get(name)), "")
    return shortened(told if firing["kind"] in ("cron", "interval") else f"{firing['kind']} {told}".strip(), 26)


def _when(settings: dict[str, Any]) -> str:
    shown = {name: value for name, value in settings.items() if name != "poll_seconds" and value}
    if "cron" in shown:
        return f"{shown['cron']} {shown['zone']}"
    if "every_seconds" in shown:
        return f"every {shown['every_seconds']} s"
    return shortened(" ".join(str(shown[name]) for name in sorted(shown) if name not in ("repository", "branch")), 40)


def _state(trigger: dict[str, Any]) -> str:
    if trigger["removed_at"]:
        return "no longer declared"
    if trigger["paused_at"]:
        return f"paused by {trigger['paused_by']}"
    return "failing" if trigger["problem"] else "at work"


def _next(trigger: dict[str, Any]) -> str:
    if trigger["next_at"] is None or trigger["paused_at"] or trigger["removed_at"]:
        return "-"
    return datetime.fromisoformat(trigger["next_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")

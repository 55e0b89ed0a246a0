"""`tidemill service traffic`, `promote`, `pause` and `resume`: a new version on its way to all requests."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_fields, print_json, print_table, say


def add_to(service: typer.Typer) -> None:
    """Add the verbs to the noun `service`."""
    for verb in (traffic, promote, pause, resume):
        service.command()(verb)


def traffic(command: typer.Context, name: str, as_json: JsonOption = False) -> None:
    """Show who gets which share of a service's requests, by the gateway's own statistics.

    Example: tidemill service traffic fuel
    """
    found = context_of(command).connection.get(f"/services/{name}/traffic")
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["revision"],
            each["model_label"],
            f"{each['percent']} %",
            each["figures"]["requests"],
            each["figures"]["failed"],
            each["figures"]["refused"],
            _milliseconds(each["figures"]["p50_ms"]),
            _milliseconds(each["figures"]["p95_ms"]),
            _milliseconds(each["figures"]["p99_ms"]),
        )
        for each in found["arms"]
    ]
    headings = ["REVISION", "VERSION", "SHARE", "REQUESTS", "FAILED", "REFUSED", "P50", "P95", "P99"]
    print_table(headings, rows, empty="Nobody answers yet: tidemill service show tells what is missing")
    if found["rollout"] is not None:
        print_fields({"rollout": rollout_line(found["rollout"])})


def promote(
    command: typer.Context,
    name: str,
    to: Annotated[int | None, typer.Option(help="The share in percent; the next step when not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a new version its next share now, or bring back one that was rolled back.

    Examples: tidemill service promote fuel; tidemill service promote fuel --to 100
    """
    found = context_of(command).connection.post(f"/services/{name}/promote", {"to": to})
    if as_json:
        print_json(found)
        return
    rollout = found["rollout"]
    if rollout is None:
        say(f"{name}: the version comes again; see it: tidemill service traffic {name}")
        return
    say(f"{name}: revision {rollout['revision']} gets {rollout['percent']} %")


def pause(command: typer.Context, name: str, as_json: JsonOption = False) -> None:
    """Hold a new version at its share; the guards watch on.

    Example: tidemill service pause fuel
    """
    _say_moved(command, name, "pause", as_json)


def resume(command: typer.Context, name: str, as_json: JsonOption = False) -> None:
    """Let a paused rollout go on; its step is held anew.

    Example: tidemill service resume fuel
    """
    _say_moved(command, name, "resume", as_json)


def rollout_line(rollout: dict[str, Any]) -> str:
    """Where a rollout is, on one line."""
    state = rollout["state"].replace("_", " ")
    if rollout["active"] and rollout["paused"]:
        state = f"paused by {rollout['changed_by']}"
    told = f"revision {rollout['revision']} after {rollout['from_revision']}: {state} at {rollout['percent']} %"
    canary = rollout["canary"]
    seen = f"; it had {canary['requests']} requests and failed {canary['failed']}" if canary["requests"] else ""
    return f"{told}{': ' if rollout['reason'] else ''}{rollout['reason']}{seen}"


def _say_moved(command: typer.Context, name: str, verb: str, as_json: bool) -> None:
    found = context_of(command).connection.post(f"/services/{name}/{verb}", {})
    if as_json:
        print_json(found)
        return
    say(f"{name}: {rollout_line(found)}")


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:g} ms"

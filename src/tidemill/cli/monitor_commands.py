"""`tidemill service monitor`: how a service is over time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, note, print_json, print_table, say, wrapped


def add_verbs(service: typer.Typer) -> None:
    """Add the verbs to the noun `service`."""
    service.command()(monitor)


def monitor(
    command: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of a service.")],
    limit: Annotated[int, typer.Option(help="How many windows, newest first.", min=1, max=500)] = 12,
    as_json: JsonOption = False,
) -> None:
    """Show how a service is: drift, quality, errors and performance, window by window.

    Examples: tidemill service monitor fuel; tidemill service monitor fuel --limit 48 --json
    """
    found = context_of(command).connection.get(f"/services/{name}/monitoring", page_size=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            _stretch(each),
            each["revision"],
            each["rows"],
            _drift_of(each),
            _quality_of(each),
            _performance_of(each),
        )
        for each in found["windows"]
    ]
    print_table(
        ["WINDOW (UTC)", "REV", "ROWS", "DRIFT", "WRONG", "ERROR"],
        rows,
        empty="No windows yet: they come with predictions, see tidemill predict",
    )
    for text in dict.fromkeys(each["note"] for each in found["windows"] if each["note"]):
        say(wrapped(text))
    if found["problem"]:
        note(f"the last computation failed: {found['problem']}")
    elif found["computed_at"]:
        note(f"computed {ago(found['computed_at'])}")


def _stretch(window: dict[str, Any]) -> str:
    start, end = datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"])
    rest = " …" if window["state"] == "open" else ""
    return (
        f"{start:%m-%d %H:%M} – {end:%H:%M}{rest}" if (end - start).days < 1 else f"{start:%m-%d} – {end:%m-%d}{rest}"
    )


def _drift_of(window: dict[str, Any]) -> str:
    columns = [*window["columns"], *([window["prediction"]] if window["prediction"] else [])]
    if all(each["drifted"] is None for each in columns):
        return "-"
    drifted = [f"{each['name'][:24]} {each['effect']:.2f}" for each in columns if each["drifted"]]
    return ", ".join(drifted) or "none"


def _quality_of(window: dict[str, Any]) -> str:
    wrong = [each for each in window["findings"] if each["breached"] and each["kind"] in ("quality", "health")]
    return ", ".join(f"{each['name']} {each['feature'][:24]}".strip() for each in wrong) or "-"


def _performance_of(window: dict[str, Any]) -> str:
    found = window["performance"]
    if found is None or found["metric"] not in found["metrics"]:
        return "-"
    held = "" if found["baseline"] is None else f" (was {found['baseline']:.3g})"
    return f"{found['metric']} {found['metrics'][found['metric']]:.3g}{held}"

"""`tidemill service monitor`, `truth` and `feedback`: how a service is, and what its predictions should have been."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tidemill.base.errors import InvalidInput
from tidemill.cli.alert_commands import what_of
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, note, print_json, print_table, say, wrapped

ITEMS_PER_REQUEST = 2_000
MOST_NAMED = 10
_COUNTS = ("received", "new", "repeated", "corrected", "unknown")


def add_verbs(service: typer.Typer) -> None:
    """Add the verbs to the noun `service`."""
    service.command()(monitor)
    service.command()(truth)
    service.command()(feedback)


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
            _start(each),
            each["revision"],
            each["rows"],
            _drift_of(each),
            _quality_of(each),
            _performance_of(each),
        )
        for each in found["windows"]
    ]
    print_table(
        ["FROM (UTC)", "REV", "ROWS", "DRIFT", "WRONG", "ERROR"],
        rows,
        empty="No windows yet: they come with predictions, see tidemill predict",
    )
    for each in found["alerts"]:
        about = f"{what_of(each)[:80]} of revision {each['revision']}"
        say(f"{each['state']}: {about}; tidemill alert show {each['id'][-12:]}")
    for text in dict.fromkeys(each["note"] for each in found["windows"] if each["note"]):
        say(wrapped(text))
    if found["problem"]:
        note(f"the last computation failed: {found['problem']}")
    elif found["computed_at"]:
        note(f"computed {ago(found['computed_at'])}")


def truth(
    command: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of a service.")],
    file: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")],
    column: Annotated[str, typer.Option(help="The column with the true values.")] = "value",
    as_json: JsonOption = False,
) -> None:
    """Tell what predictions should have been, however late; by prediction_id, request_id or the key of [monitor].

    The same again changes nothing; what contradicts counts from now on, and is told. Example:
    tidemill service truth fuel measured.csv --column mpg
    """
    from tidemill.monitoring.truth.read_file import read_truth_file

    connection = context_of(command).connection
    key = connection.get(f"/services/{name}/monitoring", page_size=1)["rules"]["key"]
    total: dict[str, Any] = {**dict.fromkeys(_COUNTS, 0), "unknown_names": [], "corrections": []}
    for items in batched(read_truth_file(file, value=column, key=key), ITEMS_PER_REQUEST):
        done = connection.post(f"/services/{name}/truth", {"items": items})
        for each in total:
            total[each] += done[each]
    if as_json:
        print_json(total)
        return
    counts = ", ".join(f"{total[each]} {each}" for each in _COUNTS[1:] if total[each])
    say(f"{total['received']} rows: {counts or 'none has a value'}")
    for unknown in total["unknown_names"][:MOST_NAMED]:
        note(f"unknown: {unknown}")
    for each in total["corrections"][:MOST_NAMED]:
        note(f"corrected: {each['name']} was {each['was']}, is {each['now']}")


def feedback(
    command: typer.Context,
    name: Annotated[str, typer.Argument(help="The name of a service.")],
    prediction: Annotated[str | None, typer.Option(help="The id of a prediction to say something of.")] = None,
    rating: Annotated[int | None, typer.Option(help="From 1, useless, to 5, right.", min=1, max=5)] = None,
    comment: Annotated[str, typer.Option(help="What you think.")] = "",
    value: Annotated[str | None, typer.Option(help="What it should have been, in the model's own unit.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List what people say of predictions, or say something yourself.

    Examples: tidemill service feedback fuel; tidemill service feedback fuel --rating 2 --comment "too low"
    --prediction 01a1fa7d-6ac7-7000-930b-b2df75070a36
    """
    connection = context_of(command).connection
    if prediction is not None:
        from tidemill.monitoring.truth.read_file import scalar_of

        body = {"prediction_id": prediction, "rating": rating, "comment": comment}
        told = {**body, "value": None if value is None else scalar_of(value)}
        made = connection.post(f"/services/{name}/feedback", told)
        print_json(made) if as_json else say(f"kept with prediction {made['prediction_id']}")
        return
    if rating is not None or comment or value is not None:
        raise InvalidInput("says of no prediction", place="--prediction", remedy="take its id from the answer")
    found = connection.pages(f"/services/{name}/feedback", limit=limit)
    if as_json:
        print_json(found)
        return
    _print_feedback(name, found)


def _print_feedback(name: str, found: list[dict[str, Any]]) -> None:
    rows = [
        (
            each["prediction_id"][-12:],
            "-" if each["rating"] is None else each["rating"],
            "-" if each["value"] is None else each["value"],
            " ".join(each["comment"].split())[:60],
            each["created_by"],
            ago(each["created_at"]),
        )
        for each in found
    ]
    print_table(
        ["PREDICTION", "RATING", "VALUE", "COMMENT", "BY", "WHEN"],
        rows,
        empty=f"Nobody said anything yet: tidemill service page {name}",
    )


def batched(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most so many items."""
    held: list[Any] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held


def _start(window: dict[str, Any]) -> str:
    start = datetime.fromisoformat(window["start"])
    return f"{start:%m-%d %H:%M:%S}" + (" …" if window["state"] == "open" else "")


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

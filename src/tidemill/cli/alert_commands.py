"""`tidemill alert`: what is wrong with services, and what people do about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from tidemill.base.errors import InvalidInput, NotFound
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import ago, print_fields, print_json, print_table, say

AlertArgument = Annotated[str, typer.Argument(metavar="ALERT", help="The id of an alert, or its last characters.")]
MOST_SEARCHED = 1000


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    alert = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Alerts: what is wrong with services.")
    alert.command("list")(listing)
    for verb in (show, ack, silence):
        alert.command()(verb)
    app.add_typer(alert, name="alert")


def listing(
    command: typer.Context,
    service: Annotated[str | None, typer.Option(help="Of this service only.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List alerts, newest first: those that go on.

    Examples: tidemill alert list; tidemill alert list --service fuel --all
    """
    found = _alerts(context_of(command), everything=everything, service=service, limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"][-12:],
            each["service"] or "(the site)",
            what_of(each)[:32],
            f"{each['value']:.3g} ({each['threshold']:.3g})",
            _state(each),
            ago(each["raised_at"] or each["created_at"]),
        )
        for each in found
    ]
    print_table(["ALERT", "SERVICE", "WHAT", "VALUE (LIMIT)", "STATE", "SINCE"], rows, empty="No alerts.")


def show(command: typer.Context, alert: AlertArgument, as_json: JsonOption = False) -> None:
    """Show an alert and its evidence: the newest window that shows it.

    Example: tidemill alert show 5f0c2a7b9d11
    """
    context = context_of(command)
    found = _find(context, alert)
    window = context.connection.get(f"/windows/{found['window_id']}") if found["window_id"] else None
    if as_json:
        print_json({**found, "window": window})
        return
    whose = f"{found['service']} {found['revision']} in {found['environment']}" if found["service"] else "the site"
    print_fields(
        {
            "alert": found["id"],
            "what": f"{what_of(found)} of {whose}",
            "value": f"{found['value']:.4g}, the limit is {found['threshold']:.4g}",
            "state": _state(found) + (f": {found['message']}" if found["message"] else ""),
            "since": ago(found["raised_at"] or found["created_at"]),
            "seen by": found["acknowledged_by"] or "nobody yet",
            "window": f"{found['window_start']} to {found['window_end']}"
            + (f", {window['rows']} rows" if window else "; tidemill figures says how it is now"),
        }
    )
    if window is not None:
        _print_statistics(found, window)


def _print_statistics(found: dict[str, Any], window: dict[str, Any]) -> None:
    columns = [*window["columns"], *([window["prediction"]] if window["prediction"] else [])]
    rows = [
        (each["name"][:32], name, f"{measured['value']:.4g}", _chance(measured["p_value"]))
        for each in columns
        if each["name"] == found["feature"]
        for name, measured in each["statistics"].items()
    ]
    if rows:
        print_table(["FEATURE", "STATISTIC", "VALUE", "CHANCE"], rows, empty="")


def ack(command: typer.Context, alert: AlertArgument, as_json: JsonOption = False) -> None:
    """Say that you look after an alert.

    Example: tidemill alert ack 5f0c2a7b9d11
    """
    context = context_of(command)
    done = context.connection.post(f"/alerts/{_find(context, alert)['id']}/acknowledge")
    if as_json:
        print_json(done)
        return
    say(f"{done['acknowledged_by']} looks after it, {ago(done['acknowledged_at'])}")


def silence(
    command: typer.Context,
    alert: AlertArgument,
    lasts: Annotated[str, typer.Option("--for", help="30m, 2h or 7d; 0 ends the silence.")] = "24h",
    as_json: JsonOption = False,
) -> None:
    """Tell nobody of an alert for a while, nor of the same thing when it comes again; it is told of afterwards.

    Examples: tidemill alert silence 5f0c2a7b9d11 --for 2h; tidemill alert silence 5f0c2a7b9d11 --for 0
    """
    context = context_of(command)
    until = None if lasts == "0" else (datetime.now(UTC) + _duration(lasts)).isoformat()
    done = context.connection.post(f"/alerts/{_find(context, alert)['id']}/silence", {"until": until})
    if as_json:
        print_json(done)
        return
    say(f"silent until {done['silenced_until']}" if done["silenced_until"] else "the silence is over")


def _duration(text: str) -> timedelta:
    from tidemill.monitoring.rules.parse import parse_duration

    return timedelta(seconds=parse_duration(text, place="--for"))


def _alerts(context: Context, *, everything: bool, service: str | None, limit: int) -> list[dict[str, Any]]:
    states = "?state=pending&state=raised" + ("&state=resolved&state=lapsed" if everything else "")
    found: list[dict[str, Any]] = context.connection.pages(f"/alerts{states}", limit=limit, service=service)
    return found


def _find(context: Context, reference: str) -> dict[str, Any]:
    if not reference.isascii() or not reference.replace("-", "").isalnum():
        raise InvalidInput(f"{reference[:40]!r} is no id of an alert", remedy="tidemill alert list")
    if len(reference) == 36:
        found: dict[str, Any] = context.connection.get(f"/alerts/{reference}")
        return found
    known = _alerts(context, everything=True, service=None, limit=MOST_SEARCHED)
    matching = [each for each in known if each["id"].endswith(reference)]
    if len(matching) != 1:
        several = f"{reference!r} ends the ids of {len(matching)} alerts; give more of it"
        raise NotFound(several if matching else f"there is no alert {reference!r}", remedy="tidemill alert list --all")
    return matching[0]


def what_of(alert: dict[str, Any]) -> str:
    """What an alert is about, in words: its name, and the column where it is about one."""
    is_whole = not alert["feature"] or alert["name"] == "prediction-drift"
    return str(alert["name"]) if is_whole else f"{alert['name']} {alert['feature']}"


def _state(alert: dict[str, Any]) -> str:
    silent = alert["silenced_until"] and datetime.fromisoformat(alert["silenced_until"]) > datetime.now(UTC)
    return str(alert["state"]).upper() + (", silent" if silent else "")


def _chance(p_value: float | None) -> str:
    return "-" if p_value is None else f"{p_value:.2g}"

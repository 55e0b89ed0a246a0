"""`tidemill notify`: who is told of what, and whether it gets there."""

from __future__ import annotations

import typer

from tidemill.base.errors import Unavailable
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    notify = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who is told of alerts, reviews, rollbacks.")
    notify.command("list")(listing)
    notify.command("test")(send_test)
    app.add_typer(notify, name="notify")


def listing(command: typer.Context, as_json: JsonOption = False) -> None:
    """List who is told of what, by the settings and by the projects that were applied.

    Example: tidemill notify list
    """
    found = context_of(command).connection.get("/notify/targets")
    if as_json:
        print_json(found)
        return
    rows = [
        (each["project"] or "(settings)", each["notifier"], each["address"], ", ".join(each["events"]))
        for each in found
    ]
    print_table(["PROJECT", "BY", "ADDRESS", "EVENTS"], rows, empty="Nobody is told; add [notify] to tidemill.toml")


def send_test(command: typer.Context, as_json: JsonOption = False) -> None:
    """Send one test message to each address, and say what became of it.

    Example: tidemill notify test
    """
    found = context_of(command).connection.post("/notify/test")
    if as_json:
        print_json(found)
    else:
        rows = [(each["target"]["notifier"], each["target"]["address"], each["problem"] or "sent") for each in found]
        print_table(["BY", "ADDRESS", "OUTCOME"], rows, empty="Nobody is told; add [notify] to tidemill.toml")
    failed = sum(1 for each in found if each["problem"])
    if failed:
        raise Unavailable(f"{failed} of {len(found)} could not be told", remedy="see tidemill config --explain")

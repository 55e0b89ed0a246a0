"""`tidemill outbox`: what is still to be told to the outside, and what was given up."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, note, print_json, print_table, say, shortened


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    outbox = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Effects on the outside world.")
    outbox.command("list")(listing)
    outbox.command("retry")(retry)
    outbox.command("drop")(drop)
    app.add_typer(outbox, name="outbox")


def listing(
    command: typer.Context,
    state: Annotated[str | None, typer.Option(help="waiting, dead or done; else those waiting and dead.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
    as_json: JsonOption = False,
) -> None:
    """List effects, newest first, with the last error of each.

    Examples: tidemill outbox list; tidemill outbox list --state dead
    """
    found = context_of(command).connection.pages("/outbox", limit=limit, state=state)
    if as_json:
        print_json(found)
        return
    rows = [(each["id"], each["topic"], each["state"], each["attempts"], ago(each["created_at"])) for each in found]
    print_table(["ID", "TOPIC", "STATE", "ATTEMPTS", "CREATED"], rows, empty="Nothing is waiting, nothing was given up")
    for each in found:
        if each["last_error"]:
            note(f"{each['id']}: {shortened(' '.join(each['last_error'].split()))}")


def retry(command: typer.Context, effect_id: str, as_json: JsonOption = False) -> None:
    """Deliver an effect that was given up, with all its attempts again.

    Example: tidemill outbox retry 01a2...
    """
    told = context_of(command).connection.post(f"/outbox/{effect_id}/retry")
    if as_json:
        print_json(told)
        return
    say(f"{effect_id} will be delivered")


def drop(command: typer.Context, effect_id: str) -> None:
    """Forget an effect that was given up.

    Example: tidemill outbox drop 01a2...
    """
    context_of(command).connection.delete(f"/outbox/{effect_id}")
    say(f"dropped {effect_id}")

"""`tidemill token`: who may do what, by API token."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill.base.errors import InvalidInput
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, items_of, note, print_json, print_table, say

ROLES = ("owner", "contributor", "approver", "viewer", "trigger")


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    token = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API tokens of people and programs.")
    token.command("create")(create)
    token.command("list")(listing)
    token.command("revoke")(revoke)
    app.add_typer(token, name="token")


def create(
    command: typer.Context,
    person: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[list[str], typer.Option(help="owner, contributor, approver, viewer or trigger; may be repeated.")],
    days: Annotated[int | None, typer.Option(help="How long it is valid; without end when not given.", min=1)] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Another team's space, made when missing; yours otherwise.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token; its secret is shown once.

    Examples: tidemill token create --person ada --role approver;
    tidemill token create --person sam --role owner --namespace risk
    """
    for each in role:
        if each not in ROLES:
            raise InvalidInput(f"there is no role {each!r}", place="--role", remedy=f"take one of {', '.join(ROLES)}")
    valid_for_seconds = None if days is None else days * 86_400
    body = {"person": person, "roles": role, "valid_for_seconds": valid_for_seconds, "namespace": namespace}
    made = context_of(command).connection.post("/tokens", body)
    if as_json:
        print_json(made)
        return
    note(f"token {made['id']} of {person} ({', '.join(role)}); it is shown only now. Use it with:")
    note("  export TIDEMILL_TOKEN=…")
    say(made["secret"])


def listing(command: typer.Context, as_json: JsonOption = False) -> None:
    """List the tokens of the namespace, without their secrets.

    Example: tidemill token list
    """
    found = items_of(context_of(command).connection.get("/tokens"))
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["person"], ", ".join(each["roles"]), ago(each["created_at"]), _validity(each))
        for each in found
    ]
    print_table(["ID", "PERSON", "ROLES", "CREATED", "VALID"], rows, empty="No tokens: tidemill token create --help")


def revoke(command: typer.Context, token_id: str) -> None:
    """Make a token worthless at once.

    Example: tidemill token revoke 01a2...
    """
    context_of(command).connection.delete(f"/tokens/{token_id}")
    say(f"revoked {token_id}")


def _validity(token: dict[str, str | None]) -> str:
    if token["revoked_at"]:
        return "revoked"
    return f"until {token['expires_at'][:10]}" if token["expires_at"] else "yes"

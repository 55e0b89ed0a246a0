"""`tidemill open`: a link that signs a browser in to the dashboard."""

from __future__ import annotations

import webbrowser
from typing import Annotated
from urllib.parse import quote

import typer

from tidemill.base.errors import Unavailable
from tidemill.cli.connection import Connection
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_json, say


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command tree."""
    app.command("open")(open_dashboard)


def open_dashboard(
    command: typer.Context,
    page: Annotated[str, typer.Argument(help="Which page, as in its address: runs, services/fuel.")] = "",
    browser: Annotated[bool, typer.Option("--browser", help="Open it in this machine's browser, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Print a link to the dashboard; it signs one browser in as you, once.

    Examples: tidemill open; tidemill open runs; tidemill open --browser
    """
    link = sign_in_link(context_of(command).connection, f"/{page.lstrip('/')}")
    if as_json:
        print_json({"url": link})
    else:
        say(link)
    if browser:
        webbrowser.open(link)


def sign_in_link(connection: Connection, then: str) -> str:
    """A link that signs one browser in, once, and goes on to a path of the site; `Unavailable` when none is up."""
    url = connection.public_url
    if url is None:
        raise Unavailable("no site is up, so there is no page", remedy="tidemill up --detach")
    code = connection.post("/sign-in-codes")["code"]
    return f"{url}/sign-in?code={code}&then={quote(then, safe='/')}"

"""Verbs about the site itself: its settings, its environment variables, its health."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import tomlkit
import typer

from tidemill.base.errors import Unavailable
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.doctor import examine
from tidemill.cli.output import print_json, print_table, say
from tidemill.platform import Platform


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command tree."""
    app.command()(config)
    app.command()(env)
    app.command()(login)
    app.command()(doctor)


def config(
    command: typer.Context,
    explain: Annotated[bool, typer.Option("--explain", help="Say where each value comes from.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the settings.

    Examples: tidemill config; tidemill config --explain
    """
    settings = context_of(command).platform.settings.explain()
    if as_json:
        print_json(
            [
                {"name": each.setting.name, "value": _shown(each.setting.name, each.value), "source": each.source}
                for each in settings
            ]
        )
        return
    columns = ["SETTING", "VALUE", "FROM", "MEANING"] if explain else ["SETTING", "VALUE"]
    rows = [
        (each.setting.name, _shown(each.setting.name, each.value), each.place, each.setting.meaning)[: len(columns)]
        for each in settings
    ]
    print_table(columns, rows, empty="")


def env(command: typer.Context, as_json: JsonOption = False) -> None:
    """Print the exports that programs need to reach this site.

    Example: eval "$(tidemill env)"
    """
    from tidemill.access import local_token

    context = context_of(command)
    url = context.connection.public_url
    if url is None:
        raise Unavailable("no site is up, so there is no address", remedy="tidemill up --detach")
    token = context.platform.settings.text("token") or local_token(context.platform.site)
    exports = {"TIDEMILL_URL": url, "TIDEMILL_TOKEN": token}
    if as_json:
        print_json(exports)
        return
    for name, value in exports.items():
        say(f"export {name}={shlex.quote(value)}")


def login(
    command: typer.Context,
    url: Annotated[str, typer.Argument(help="Address of the site.")],
    token: Annotated[
        str, typer.Option(prompt=True, hide_input=True, help="Your token there; asked for when not given.")
    ],
) -> None:
    """Keep the address and token of a site in this home, so that commands go there.

    Example: tidemill login https://tidemill.example.org
    """
    from tidemill.cli.connection import Connection

    home = context_of(command).platform.home
    there = Platform(home=home.path, flags={"url": url, "token": token})
    person = Connection(there).get("/whoami")["person"]
    path = home.path / "settings.toml"
    document = tomlkit.parse(path.read_text()) if path.exists() else tomlkit.document()
    document["url"], document["token"] = url, token
    temporary = path.with_suffix(".new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(tomlkit.dumps(document))
    temporary.replace(path)
    say(f"commands of this home now go to {url} as {person}")


def doctor(command: typer.Context, as_json: JsonOption = False) -> None:
    """Look at this machine and this home, and say what is missing.

    Exit status 0 when all is well, 1 else. Example: tidemill doctor
    """
    findings = list(examine(context_of(command).platform))
    if as_json:
        print_json([{"what": f.what, "good": f.is_good, "detail": f.detail, "remedy": f.remedy} for f in findings])
    else:
        rows = [
            ("✔" if f.is_good else "✘", f.what, f.detail if f.is_good else f"{f.detail} → {f.remedy}") for f in findings
        ]
        print_table(["", "WHAT", "FOUND"], rows, empty="")
    if not all(f.is_good for f in findings):
        raise typer.Exit(1)


def _shown(name: str, value: object) -> object:
    return "(set)" if name in {"token", "database_url"} and value else value

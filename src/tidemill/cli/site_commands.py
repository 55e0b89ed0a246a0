"""Verbs about the site itself: its settings, its environment variables, its health."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Annotated

import tomlkit
import typer

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.settings import SECRETS, Explained
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_json, print_table, say, wrapped
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
        print_json([{"name": each.setting.name, "value": _value(each), "source": each.source} for each in settings])
        return
    if not explain:
        print_table(["SETTING", "VALUE"], [(each.setting.name, _value(each)) for each in settings], empty="")
        return
    for each in settings:
        value = _value(each)
        say(f"{each.setting.name} = {'(empty)' if value == '' else value}  ({each.place})")
        say(wrapped(f"    {each.setting.meaning}", hanging=0))


def env(command: typer.Context, as_json: JsonOption = False) -> None:
    """Print the exports that programs need to reach this site: ours, and MLflow's clients.

    Example: eval "$(tidemill env)"
    """
    from tidemill.cli.connection import no_token

    context = context_of(command)
    url = context.connection.public_url
    if url is None:
        raise Unavailable("no site is up, so there is no address", remedy="tidemill up --detach")
    token = context.connection.secret
    if not token:
        raise no_token(url)
    exports = {"TIDEMILL_URL": url, "TIDEMILL_TOKEN": token}
    if context.platform.settings.is_on("mlflow"):
        exports |= {"MLFLOW_TRACKING_URI": f"{url}/mlflow", "MLFLOW_TRACKING_TOKEN": token}
    if as_json:
        print_json(exports)
        return
    for name, value in exports.items():
        say(f"export {name}={shlex.quote(value)}")


def login(
    command: typer.Context,
    url: Annotated[str, typer.Argument(help="Address of the site.")],
    token: Annotated[str | None, typer.Option(help="Your token there; asked for, or read from a pipe.")] = None,
) -> None:
    """Keep the address and token of a site in this home, so that commands go there.

    Examples: tidemill login https://tidemill.example.org;
    tidemill login https://tidemill.example.org < token
    """
    from tidemill.cli.connection import Connection

    token = token or _read_token()
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
    from tidemill.cli.doctor import examine

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


def _read_token() -> str:
    """The token that somebody types unseen, or that a pipe brings."""
    if sys.stdin.isatty():
        return str(typer.prompt("Token", hide_input=True))
    token = sys.stdin.readline().strip()
    if not token:
        raise InvalidInput("there is no token", place="--token", remedy="give it, type it, or send it through a pipe")
    return token


def _value(explained: Explained) -> object:
    """The value of a setting; a secret is only said to be there."""
    is_secret = explained.setting.name in SECRETS
    return "(set)" if is_secret and explained.value else explained.value

"""Verbs about the site itself: its settings, its environment variables, its health."""

from __future__ import annotations

from typing import Annotated

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_json, print_table


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command tree."""
    app.command()(config)


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


def _shown(name: str, value: object) -> object:
    return "(set)" if name in {"token", "database_url"} and value else value

"""What each command gets: the platform of the chosen home, and the connection to its site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.platform import Platform

if TYPE_CHECKING:
    from tidemill.cli.connection import Connection


@dataclass
class Context:
    """The global options, and what is made from them on demand."""

    home: Path | None = None

    @cached_property
    def platform(self) -> Platform:
        """The platform of the home that the options name."""
        return Platform(home=self.home)

    @cached_property
    def connection(self) -> Connection:
        """The connection to the site."""
        from tidemill.cli.connection import Connection

        return Connection(self.platform)


def context_of(command: typer.Context) -> Context:
    """The context that the root command made."""
    found = command.find_object(Context)
    if found is None:
        raise RuntimeError("a command was called without the root command")
    return found


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

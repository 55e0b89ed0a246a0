"""What each command gets: the platform of the chosen home, and the connection to its site."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tidemill.platform import Platform

if TYPE_CHECKING:
    from tidemill.access import Actor
    from tidemill.cli.connection import Connection
    from tidemill.data import DataSite, Dvc


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

    @cached_property
    def actor(self) -> Actor:
        """Who acts, as the site knows them; without a site, as this home does."""
        if self.connection.is_embedded:
            return self.platform.actor
        from tidemill.access import Actor, Role

        told = self.connection.get("/whoami")
        roles = frozenset(map(Role, told["roles"]))
        return Actor(person=told["person"], namespace_id=told["namespace_id"], roles=roles)

    @cached_property
    def dvc(self) -> Dvc:
        """DVC for this working folder: the warm one of this home's live site, else one of our own; close it."""
        from tidemill.cli.connection import live_site
        from tidemill.data import SiteDvc, dvc_socket, handed_over, own_umask

        path = dvc_socket(self.platform.home)
        if live_site(self.platform) is not None and path.is_socket():
            return SiteDvc(path, handed_over(os.environ), own_umask())
        return self.platform.dvc

    @cached_property
    def data_site(self) -> DataSite:
        """The site's side of data."""
        from tidemill.cli.data_site import ApiDataSite

        return ApiDataSite(self.connection)


def context_of(command: typer.Context) -> Context:
    """The context that the root command made."""
    found = command.find_object(Context)
    if found is None:
        raise RuntimeError("a command was called without the root command")
    return found


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

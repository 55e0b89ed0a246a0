"""`tidemill backup`: the whole home in one archive, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemill.base.errors import Conflict
from tidemill.cli.connection import live_site
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import print_json, say
from tidemill.platform import Platform


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    backup = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The whole home in one archive, and back.")
    backup.command("create")(create)
    backup.command("restore")(restore)
    app.add_typer(backup, name="backup")


def create(
    command: typer.Context,
    target: Annotated[Path | None, typer.Argument(help="The archive; tidemill-DATE.tar.gz when not given.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the database, artifacts, keys, logs and telemetry; the site may run meanwhile.

    Example: tidemill backup create /mnt/backups/monday.tar.gz
    """
    from tidemill.base.backup import create_backup

    site = context_of(command).platform.site
    chosen = target or Path(f"tidemill-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar.gz")
    made = create_backup(site, chosen.resolve())
    if as_json:
        print_json({"path": str(made.path), "size_bytes": made.size_bytes, "files": made.files})
        return
    say(f"{made.path}: {made.files} files, {made.size_bytes / 1e6:.1f} MB; it holds keys, keep it closed")


def restore(
    command: typer.Context,
    archive: Annotated[Path, typer.Argument(help="An archive of `tidemill backup create`.", exists=True)],
) -> None:
    """Make a new home from a backup.

    Example: tidemill --home /srv/tidemill backup restore monday.tar.gz
    """
    from tidemill.base.backup import restore_backup

    platform: Platform = context_of(command).platform
    target = platform.home_path
    if target.exists() and live_site(platform) is not None:
        raise Conflict("a site serves this home", place=str(target), remedy="tidemill down")
    home = restore_backup(archive, target)
    _ = platform.site  # an older backup is brought up to date at once
    say(f"restored to {home.path}; start it with: tidemill --home {home.path} up")

"""`tidemill data`: dataset versions, in this working folder's git and DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, note, print_json, print_table, say, short, wrapped

ForceOption = Annotated[bool, typer.Option("--force", help="Replace content here that has no version.")]


def add_to(app: typer.Typer) -> None:
    """Add the noun to the command tree."""
    data = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Dataset versions (DVC) and where they are.")
    for verb in (add, pull, push, status):
        data.command()(verb)
    data.command("list")(listing)
    app.add_typer(data, name="data")


def add(
    command: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file or folder of the project.")],
    message: Annotated[str | None, typer.Option("--message", "-m", help="What the commit says.")] = None,
    remote: Annotated[
        str | None, typer.Option(help="Default remote when there is none: a folder, s3://, ssh://.")
    ] = None,
    git_init: Annotated[
        bool, typer.Option("--git-init", help="Make a git repository here when there is none.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a version of a file or folder: DVC keeps the content, git its version.

    Example: tidemill data add cars.csv
    """
    from tidemill.data import AddRequest, add_data

    context = context_of(command)
    request = AddRequest(
        project_dir=Path.cwd(),
        path=path.absolute(),
        remotes=context.platform.home.path / "remotes",
        message=message,
        remote=remote,
        create_repository=git_init,
    )
    try:
        added = add_data(context.actor, context.dvc, context.data_site, request)
    finally:
        context.dvc.close()
    version = added.version
    if as_json:
        told = {name: getattr(version, name) for name in ("path", "hash", "git_commit", "id")}
        print_json({**told, "remote": added.remote, "remote_kept": added.is_remote_kept})
        return
    rows = "" if version.row_count is None else f", {version.row_count} rows"
    commit = (version.git_commit or "not committed")[:12]
    say(f"{version.path}: version {version.hash[4:16]} ({version.size_bytes} bytes{rows}), commit {commit}")
    if added.is_remote_kept:
        stands = f"the remote stays {added.remote}" if added.remote else "there are remotes, and none is the default"
        note(wrapped(f"{stands}; .dvc/config has it: --remote is for the first version"))
    elif remote is not None:
        note(wrapped(f"the remote is {added.remote}; next: tidemill data push"))


def pull(
    command: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="What to bring; everything when not given.")] = None,
    force: ForceOption = False,
) -> None:
    """Bring the content of the versions here from the remote.

    Examples: tidemill data pull; tidemill data pull cars.csv
    """
    from tidemill.data import pull as pull_data

    context = context_of(command)
    try:
        done = pull_data(context.actor, context.dvc, Path.cwd(), [path.absolute() for path in paths or []], force=force)
    finally:
        context.dvc.close()
    changed = "".join(f"\n  {path}" for path in done.changed_paths)
    say(f"{len(done.changed_paths)} changed here, {done.file_count} files came from the remote{changed}")


def push(
    command: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="What to send; everything when not given.")] = None,
) -> None:
    """Send the content of the versions to the remote.

    Example: tidemill data push
    """
    from tidemill.data import push as push_data

    context = context_of(command)
    try:
        done = push_data(context.actor, context.dvc, Path.cwd(), [path.absolute() for path in paths or []])
    finally:
        context.dvc.close()
    say(f"pushed {done.file_count} files")


def status(command: typer.Context, as_json: JsonOption = False) -> None:
    """Say of each dataset here whether its content is the version that git names.

    Example: tidemill data status
    """
    from tidemill.data import data_status

    context = context_of(command)
    try:
        found = data_status(context.actor, context.dvc, Path.cwd())
    finally:
        context.dvc.close()
    if as_json:
        print_json(
            [
                {
                    "path": f.path,
                    "state": f.state,
                    "hash": f.hash,
                    "size_bytes": f.size_bytes,
                    "git_commit": f.git_commit,
                }
                for f in found
            ]
        )
        return
    rows = [(f.path, f.state, f.hash[4:16], f.size_bytes, (f.git_commit or "-")[:12]) for f in found]
    print_table(
        ["PATH", "IS", "VERSION", "BYTES", "COMMIT"], rows, empty="No data here has a version: tidemill data add FILE"
    )


def listing(
    command: typer.Context,
    path: Annotated[str | None, typer.Option(help="Only versions of this path.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the dataset versions that the site has seen, newest first.

    Example: tidemill data list
    """
    found = context_of(command).connection.pages("/data/versions", limit=limit, path=path)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["path"],
            each["hash"][4:16],
            each["row_count"] or "-",
            short(each["git_commit"])[:12],
            ago(each["created_at"]),
        )
        for each in found
    ]
    print_table(["PATH", "VERSION", "ROWS", "COMMIT", "SEEN"], rows, empty="No data yet: tidemill data add FILE")

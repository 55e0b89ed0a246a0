"""The root command: global options, the verbs and nouns, and what happens on an error."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tidemill import __version__
from tidemill.base.errors import InvalidInput, StorageFull, TidemillError
from tidemill.cli import (
    alert_commands,
    backup_commands,
    dashboard_commands,
    data_commands,
    demo,
    figures_commands,
    model_commands,
    notebook_commands,
    notify_commands,
    outbox_commands,
    project_commands,
    review_commands,
    run_commands,
    runs_commands,
    service_commands,
    site_commands,
    token_commands,
    trigger_commands,
    tune_commands,
    up_commands,
)
from tidemill.cli.context import Context
from tidemill.cli.output import fail, note
from tidemill.cli.run_outcome import INTERRUPTED

# Older typers raise click's errors, newer ones their own; both stand under the base of this public class.
_COMMAND_LINE_ERROR: type[Any] = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def build() -> typer.Typer:
    """The command tree."""
    app = typer.Typer(
        name="tidemill",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
        help="From a notebook to an approved, served and traceable model.",
    )

    @app.callback()
    def root(
        command: typer.Context,
        home: Annotated[
            Path | None, typer.Option(help="The home of the site; else $TIDEMILL_HOME, else the user data folder.")
        ] = None,
        _version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        command.obj = Context(home=home)

    for each in (
        run_commands,
        notebook_commands,
        runs_commands,
        tune_commands,
        review_commands,
        project_commands,
        service_commands,
        alert_commands,
        model_commands,
        trigger_commands,
        data_commands,
        up_commands,
        dashboard_commands,
        site_commands,
        figures_commands,
        token_commands,
        notify_commands,
        outbox_commands,
        backup_commands,
        demo,
    ):
        each.add_to(app)
    return app


def run() -> None:
    """Run the command line and leave with its exit status: 0, or the one that the error's class names."""
    as_json = "--json" in sys.argv
    try:
        status = build()(prog_name="tidemill", standalone_mode=False)
    except TidemillError as problem:
        fail(problem, as_json=as_json)
    except _COMMAND_LINE_ERROR as problem:
        if type(problem).__name__ == "NoArgsIsHelpError":
            problem.show()  # the help itself
            sys.exit(InvalidInput.exit_status)
        fail(_of_command_line(problem), as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # somebody closed the pipe, as `| head` does; nothing more can be said there
        sys.stderr.close()
        sys.exit(0)
    except OSError as problem:
        fail(_of_system(problem), as_json=as_json)
    if status == INTERRUPTED:
        note("interrupted")
    sys.exit(status if isinstance(status, int) else 0)


def _of_command_line(problem: Any) -> TidemillError:
    """A word of the command line that does not fit, as the other errors look."""
    context = getattr(problem, "ctx", None)
    command = "tidemill" if context is None else f"tidemill {context.command_path.partition(' ')[2]}".strip()
    message = " ".join(problem.format_message().split())
    return InvalidInput(message, remedy=f"{command} --help")


def _of_system(problem: OSError) -> TidemillError:
    """What the system refused, with the path that it was about; raises the error again when there is none."""
    if problem.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull("the disk is full", place=problem.filename, remedy="free some space, then do it again")
    if problem.filename is None:
        raise problem
    said = (problem.strerror or str(problem)).lower()
    return InvalidInput(said, place=str(problem.filename), remedy="name another path, or change its permissions")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidemill {__version__}")
        raise typer.Exit

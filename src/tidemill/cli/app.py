"""The root command: global options, the verbs and nouns, and what happens on an error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click
import typer

from tidemill import __version__
from tidemill.base.errors import TidemillError
from tidemill.cli import (
    backup_commands,
    data_commands,
    model_commands,
    review_commands,
    run_commands,
    runs_commands,
    service_commands,
    site_commands,
    token_commands,
    tune_commands,
    up_commands,
)
from tidemill.cli.context import Context
from tidemill.cli.output import fail

INTERRUPTED = 130


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
        namespace: Annotated[str | None, typer.Option(help="The namespace to act in.")] = None,
        _version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        command.obj = Context(home=home, namespace=namespace)

    for each in (
        run_commands,
        runs_commands,
        tune_commands,
        review_commands,
        service_commands,
        model_commands,
        data_commands,
        up_commands,
        site_commands,
        token_commands,
        backup_commands,
    ):
        each.add_to(app)
    return app


def run() -> None:
    """Run the command line and leave with its exit status: 0, or the one that the error's class names."""
    as_json = "--json" in sys.argv
    try:
        status = build()(standalone_mode=False)
    except TidemillError as problem:
        fail(problem, as_json=as_json)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as problem:
        problem.show()
        sys.exit(problem.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # somebody closed the pipe, as `| head` does; nothing more can be said there
        sys.stderr.close()
        sys.exit(0)
    sys.exit(status if isinstance(status, int) else 0)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidemill {__version__}")
        raise typer.Exit

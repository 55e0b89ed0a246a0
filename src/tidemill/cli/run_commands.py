"""`tidemill run`, `compile`, `check` and `init`: from a file to a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.base.ballast import demand_space
from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import note, print_json, print_table, say, wrapped
from tidemill.cli.run_outcome import follow_run
from tidemill.cli.told import is_news

if TYPE_CHECKING:
    from tidemill.project.prepare import Prepared

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[FILE]", help="A notebook or a pipeline YAML; the project's own when not given."),
]
ParameterOption = Annotated[
    list[str] | None, typer.Option("-p", metavar="NAME=VALUE", help="A parameter of the pipeline.")
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command tree."""
    app.command()(init)
    app.command()(check)
    app.command("compile")(compile_file)
    app.command()(run)


def init(
    notebook: Annotated[str | None, typer.Argument(help="The notebook; the only one here when not given.")] = None,
) -> None:
    """Write a first tidemill.toml beside a notebook.

    Examples: tidemill init; tidemill init churn.ipynb
    """
    from tidemill.project import scaffold

    made = scaffold(Path.cwd(), notebook)
    say(f"wrote {made.name}; next: tidemill check, then tidemill run")


def check(file: FileArgument = None, as_json: JsonOption = False) -> None:
    """Check the project file, the notebook and the pipeline, and say what is wrong and where.

    Exit status 2 when something is wrong. Examples: tidemill check; tidemill check churn.ipynb
    """
    from tidemill.pipelines import plan
    from tidemill.project import check_project
    from tidemill.project.prepare import prepare

    prepared = prepare(file, {})
    if prepared.project is not None:
        check_project(prepared.project.path)
    levels = plan(prepared.pipeline).levels
    if as_json:
        print_json({"pipeline": prepared.pipeline.name, "levels": levels, "warnings": prepared.warnings})
        return
    for warning in prepared.warnings:
        note(wrapped(f"warning: {warning}"))
    for remark in prepared.notes:
        note(wrapped(f"note: {remark}"))
    say(f"{prepared.origin['file']} is fine: pipeline {prepared.pipeline.name}")
    rows = [(number, ", ".join(level)) for number, level in enumerate(levels, 1)]
    print_table(["STAGE", "TASKS"], rows, empty="it has no tasks")


def compile_file(
    file: FileArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write; beside the notebook when not given, - prints."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that `compile` has not written.")] = False,
) -> None:
    """Compile a notebook to a KFP v2 pipeline, the same bytes each time.

    Examples: tidemill compile; tidemill compile churn.ipynb -o churn.yaml
    """
    from tidemill.project.prepare import prepare

    prepared = prepare(file, {})
    for warning in prepared.warnings:
        note(wrapped(f"warning: {warning}"))
    for remark in prepared.notes:
        note(wrapped(f"note: {remark}"))
    source = prepared.folder / prepared.origin["file"]
    if source.suffix in {".yaml", ".yml", ".json"}:
        raise InvalidInput("is a pipeline already", place=str(source), remedy="tidemill check looks at it")
    if str(output) == "-":
        say(prepared.text.rstrip("\n"))
        return
    target = output or source.with_suffix(".yaml")
    if target.exists() and not force and "sdkVersion: tidemill-" not in target.read_text(errors="replace"):
        raise Conflict("is there, and not from tidemill", place=str(target), remedy="--force, or another name with -o")
    if not target.parent.is_dir():
        raise NotFound("there is no such folder", place=str(target.parent), remedy="make it, or another name with -o")
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(prepared.text)
    temporary.replace(target)
    say(f"wrote {target}")


def run(
    command: typer.Context,
    file: FileArgument = None,
    parameter: ParameterOption = None,
    name: Annotated[str | None, typer.Option(help="What to call the run.")] = None,
    experiment: Annotated[str | None, typer.Option(help="The group of runs it belongs to.")] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Take finished tasks from earlier runs.")] = True,
    parallelism: Annotated[
        int | None, typer.Option(help="Steps at a time; the machine's cores when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a notebook or a pipeline, and wait for it; works without a site, too.

    Exit status 1 when it fails. With --json the last line is its outcome.

    Examples: tidemill run pipeline.ipynb; tidemill run pipeline.yaml -p alpha=0.1
    """
    context = context_of(command)
    submission = prepare_submission(context, file, parameters_of(parameter), quiet=as_json)
    submission |= {"name": name, "caching": cache, "parallelism": parallelism}
    if experiment:
        submission["experiment"] = experiment
    run_id = _submit(context, submission)
    if not as_json:
        note(f"run {run_id}")
    follow_run(context, run_id, as_json=as_json)


def parameters_of(given: list[str] | None) -> dict[str, str]:
    """`name=value` texts as a mapping; `InvalidInput` for one without a name, or one that is given twice."""
    found: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InvalidInput(f"{text!r} is not NAME=VALUE", place="-p", remedy="write -p alpha=0.1")
        if name in found:
            raise InvalidInput(f"the parameter {name!r} is given twice", place="-p", remedy="give it once")
        found[name] = value
    return found


def prepare_submission(context: Context, file: Path | None, given: dict[str, str], *, quiet: bool) -> dict[str, Any]:
    """What the API takes as a run: spec, parameters with the data bound, origin and experiment."""
    from tidemill.project.bind_data import bind_data
    from tidemill.project.prepare import prepare

    prepared = prepare(file, given)
    platform = context.platform
    if context.connection.is_embedded:  # a site says it itself
        demand_space(platform.home, platform.settings.number("free_space_floor_bytes"))
    try:
        prepared = bind_data(context.data_site, context.dvc, prepared)
    finally:
        context.dvc.close()
    if not quiet:
        say_remarks(context, prepared)
    return {
        "spec": prepared.text,
        "parameters": prepared.parameters,
        "origin": prepared.origin,
        "experiment": prepared.experiment,
    }


def say_remarks(context: Context, prepared: Prepared) -> None:
    """Warnings and notes; advice only when it is other than at the last run of this file."""
    compiled = prepared.notebook
    advice = {str(one): one.message for one in compiled.warnings if one.is_advice} if compiled is not None else {}
    file = prepared.folder / str(prepared.origin["file"])
    known = advice if not is_news(context.platform.home, file, list(advice.values())) else {}
    for warning in prepared.warnings:
        if warning not in known:
            note(wrapped(f"warning: {warning}"))
    for remark in prepared.notes:
        note(wrapped(f"note: {remark}"))


def _submit(context: Context, submission: dict[str, Any]) -> str:
    if not context.connection.is_embedded:
        return str(context.connection.post("/runs", submission)["id"])
    # without a site the verb itself: the API's libraries would take longer than a cached run
    from tidemill.engine import RunRequest, submit_run
    from tidemill.pipelines import load_pipeline

    platform = context.platform
    fields = {name: value for name, value in submission.items() if name != "spec"}
    pipeline = load_pipeline(submission["spec"], place=submission["origin"]["file"])
    return submit_run(platform.site, platform.actor, RunRequest(pipeline=pipeline, **fields)).id

"""`tidemill plan`, `apply` and `project`: what tidemill.toml declares, on the site."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.output import ago, note, print_json, print_table, say, shortened
from tidemill.cli.review_commands import current_project

if TYPE_CHECKING:
    from tidemill.project import Project

NameArgument = Annotated[
    str | None, typer.Argument(metavar="[NAME]", help="The name of a project; that of tidemill.toml when not given.")
]
RECENT = 500


def add_to(app: typer.Typer) -> None:
    """Add the verbs and the noun to the command tree."""
    for verb in (plan, apply):
        app.command()(verb)
    project = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Projects: what was applied, by whom, and when."
    )
    project.command("list")(listing)
    project.command()(show)
    project.command()(history)
    app.add_typer(project, name="project")


def plan(
    command: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Leave with status 1 when `apply` would change something.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what `apply` would change, what was changed on the site since, and what others applied. Changes nothing.

    Examples: tidemill plan; tidemill plan --check
    """
    context = context_of(command)
    project = _checked_project()
    found = context.connection.post(f"/projects/{project.name}/plan", _request(context, project))
    if as_json:
        print_json(found)
    else:
        applied = found["applied"]
        say(f"project {found['project']}, {_told(applied) if applied else 'never applied'}")
        _say_changes(found, title="apply would change")
        note_data(project)
    if check and found["changes"]:
        raise typer.Exit(1)


def apply(
    command: typer.Context,
    force: Annotated[
        bool, typer.Option("--force", help="Take back what others applied since this file's base.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the site what tidemill.toml says: its service, and the policy that its reviews are held to.

    Examples: tidemill apply; tidemill apply --force
    """
    context = context_of(command)
    project = _checked_project()
    done = apply_project(context, project, force=force)
    if as_json:
        print_json(done)
        return
    planned = done["plan"]
    if planned["applied"]:
        _say_changes(planned, title="changed")
    if planned["changes"]:
        say(f"applied {project.name}, generation {done['generation']['number']}")
    note_data(project)


def listing(command: typer.Context, as_json: JsonOption = False) -> None:
    """List the projects that were applied.

    Example: tidemill project list
    """
    found = context_of(command).connection.pages("/projects", limit=RECENT)
    if as_json:
        print_json(found)
        return
    rows = [(each["project"], each["number"], each["created_by"], ago(each["created_at"])) for each in found]
    print_table(["PROJECT", "GENERATION", "BY", "APPLIED"], rows, empty="No projects yet: tidemill apply")


def show(
    command: typer.Context,
    name: NameArgument = None,
    generation: Annotated[
        int | None, typer.Option(help="The number of a generation; the newest when not given.", min=1)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what was applied of a project, field by field.

    Examples: tidemill project show; tidemill project show fuel --generation 2
    """
    from tidemill.project.fields import fields_of, name_of

    route = f"/projects/{name or current_project().name}"
    found = context_of(command).connection.get(route if generation is None else f"{route}/generations/{generation}")
    if as_json:
        print_json(found)
        return
    say(f"project {found['project']}, {_told(found)}")
    rows = [(name_of(path), _shown(value, 36)) for path, value in fields_of(found["document"]).items()]
    print_table(["FIELD", "VALUE"], rows, empty="nothing is declared")


def history(
    command: typer.Context,
    name: NameArgument = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """List who applied what of a project, when, and from which commit, newest first.

    Examples: tidemill project history; tidemill project history fuel --limit 5
    """
    project = name or current_project().name
    found = context_of(command).connection.pages(f"/projects/{project}/generations", limit=limit)
    if as_json:
        print_json(found)
        return
    rows = [
        (each["number"], each["created_by"], ago(each["created_at"]), (each["commit"] or "-")[:12], each["file"] or "-")
        for each in found
    ]
    print_table(["GENERATION", "BY", "APPLIED", "COMMIT", "FILE"], rows, empty="It was never applied: tidemill apply")


def apply_project(context: Context, project: Project, *, force: bool = False) -> dict[str, Any]:
    """Apply the file of a project as it is now; the generation and the plan that was carried out."""
    generations = _generations(context, project)
    body = {**_body(project, generations), "force": force}
    expected = generations[0]["number"] if generations else 0
    done: dict[str, Any] = context.connection.put(f"/projects/{project.name}", body, generation=expected)
    return done


def note_data(project: Project) -> None:
    """Say which of the declared data has no version."""
    for dataset in project.data.values():
        if not (project.folder / f"{dataset.path}.dvc").exists():
            note(f"{dataset.path} has no version yet: tidemill data add {dataset.path}")


def _checked_project() -> Project:
    from tidemill.project.check import check_units

    project = current_project()
    check_units(project)
    return project


def _request(context: Context, project: Project) -> dict[str, Any]:
    return _body(project, _generations(context, project))


def _generations(context: Context, project: Project) -> list[dict[str, Any]]:
    return list(context.connection.pages(f"/projects/{project.name}/generations", limit=RECENT))


def _body(project: Project, generations: list[dict[str, Any]]) -> dict[str, Any]:
    from tidemill.project.origin import origin_of

    origin = origin_of(project)
    return {
        "document": project.declared,
        "base": origin.base_among(generations),
        "file": origin.place,
        "commit": origin.commit,
    }


def _say_changes(found: dict[str, Any], *, title: str) -> None:
    if found["changes"]:
        rows = [(each["field"], _shown(each["old"]), _target(each)) for each in found["changes"]]
        _say_table(title, ["FIELD", "FROM", "TO"], rows)
    if found["at_run_time"]:
        fates = {True: "stays", False: "taken back"}
        rows_there = [
            (each["field"], _shown(each["applied"]), _shown(each["live"]), fates[each["stays"]])
            for each in found["at_run_time"]
        ]
        _say_table("changed on the site since", ["FIELD", "APPLIED", "NOW", "BY APPLY"], rows_there)
    if found["by_others"]:
        rows_others = [
            (each["field"], _shown(each["old"]), _shown(each["new"]), f"{each['by']}, {each['generation']}")
            for each in found["by_others"]
        ]
        since = f"applied since generation {found['base']}" if found["base"] else "applied from another file"
        _say_table(f"{since}, and not in this file", ["FIELD", "FROM", "TO", "BY, GENERATION"], rows_others)
    for each in found["released"]:
        say(f"\nThe {each} is declared no more: it stays until tidemill service delete.")
    if not found["changes"]:
        say("nothing to do: everything is as tidemill.toml says")


def _say_table(title: str, columns: list[str], rows: Sequence[Sequence[str]]) -> None:
    say(f"\n{title}")
    print_table(columns, rows, empty="")


def _told(generation: dict[str, Any]) -> str:
    return f"generation {generation['number']}, applied by {generation['created_by']} {ago(generation['created_at'])}"


def _target(change: dict[str, Any]) -> str:
    if not change["given_up"]:
        return _shown(change["new"])
    return "left out" if change["new"] in (None, "") else f"{_shown(change['new'])} (default)"


def _shown(value: Any, characters: int = 28) -> str:
    """A value on one line, with its end left out where it is long; `--json` has all of it."""
    if value is None:
        return "-"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = ", ".join(value)
    return shortened(" ".join(value.split()) if isinstance(value, str) else json.dumps(value), characters)

"""`tidemill deploy`, `predict`, `score` and `service`: models that answer."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tidemill.base.errors import InvalidInput, NotFound, Unavailable
from tidemill.cli import monitor_commands
from tidemill.cli.answering import answering_service
from tidemill.cli.context import Context, JsonOption, context_of
from tidemill.cli.dashboard_commands import sign_in_link
from tidemill.cli.output import ago, note, print_fields, print_json, print_table, say
from tidemill.cli.project_commands import apply_project
from tidemill.cli.review_commands import current_project
from tidemill.cli.rollout_commands import add_to as add_rollouts
from tidemill.cli.rollout_commands import rollout_line

if TYPE_CHECKING:
    from tidemill.serving.predict import Predicted

WAIT_SECONDS = 120.0
POLL_SECONDS = 0.1


def add_to(app: typer.Typer) -> None:
    """Add the verbs and the noun to the command tree."""
    for verb in (deploy, predict, score):
        app.command()(verb)
    service = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Services: what is live, and back.")
    service.command("list")(listing)
    service.command()(show)
    service.command()(rollback)
    service.command()(page)
    service.command()(token)
    service.command()(delete)
    add_rollouts(service)
    monitor_commands.add_verbs(service)
    app.add_typer(service, name="service")


def deploy(
    command: typer.Context,
    wait: Annotated[bool, typer.Option(help="Wait until it answers, or awaits an approval.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Apply tidemill.toml and wait for its service; it answers with the approved version as soon as there is one.

    Example: tidemill deploy
    """
    from tidemill.project import service_spec_of

    context = context_of(command)
    project = current_project()
    name = service_spec_of(project).name
    apply_project(context, project)
    service = _settled(context, name) if wait and not context.connection.is_embedded else _get(context, name)
    if as_json:
        print_json(service)
        return
    _say_service(context, service)
    if not service["ready"]:
        note(f"see it come up: tidemill service show {name}")


def predict(
    command: typer.Context,
    service: Annotated[str, typer.Argument(help="The name of a service.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[COLUMN=VALUE]...", help="One row, by column.")] = None,
    data: Annotated[str | None, typer.Option(help="JSON: a list of rows, or @FILE.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a service for predictions, through the gateway like any client; one that is being loaded is waited for.

    Examples: tidemill predict fuel Weight_in_lbs=2130 Year=82;
    tidemill predict fuel --data @rows.json
    """
    context = context_of(command)
    instances = _instances(values, data)
    answer = _asker(context, service)(instances)
    if as_json:
        print_json({"predictions": answer.predictions, "prediction_id": answer.prediction_id})
        return
    for value in answer.predictions:
        say(f"{value:.6g}" if isinstance(value, float) else str(value))
    note(f"prediction {answer.prediction_id}; look closer: tidemill lineage {answer.prediction_id}")


def score(
    command: typer.Context,
    service: Annotated[str, typer.Argument(help="The name of a service.")],
    source: Annotated[Path, typer.Argument(help="A Parquet file with the columns of the model.")],
    target: Annotated[Path, typer.Argument(help="Where to write the rows with their predictions.")],
    as_json: JsonOption = False,
) -> None:
    """Score a Parquet file with a service; each row is logged like a single prediction.

    Example: tidemill score fuel cars.parquet scored.parquet
    """
    from tidemill.serving.score import score as score_file

    context = context_of(command)
    if not source.is_file():
        raise NotFound("there is no such file", place=str(source), remedy="name a Parquet file that is there")
    asker = _asker(context, service)
    signature = context.connection.get(f"/services/{service}/signature")
    columns = tuple(signature.get("columns") or [each["name"] for each in signature["signature"]["inputs"]])
    done = score_file(asker, columns, source, target)
    if as_json:
        print_json({"rows": done.rows, "requests": done.requests, "path": str(target)})
        return
    say(f"wrote {target}: {done.rows} rows")


def listing(command: typer.Context, as_json: JsonOption = False) -> None:
    """List services.

    Example: tidemill service list
    """
    found = context_of(command).connection.pages("/services", limit=500)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["name"],
            each["spec"]["environment"],
            _state_of(each),
            each["path"],
            ago(each["updated_at"]),
        )
        for each in found
    ]
    print_table(["SERVICE", "ENVIRONMENT", "STATE", "PATH", "CHANGED"], rows, empty="No services yet: tidemill deploy")


def show(command: typer.Context, name: str, as_json: JsonOption = False) -> None:
    """Show a service and its revisions.

    Example: tidemill service show fuel
    """
    context = context_of(command)
    found = _get(context, name)
    if as_json:
        print_json(found)
        return
    _say_service(context, found)
    rows = [
        (each["number"], each["model_label"], each["state"], ago(each["changed_at"]), each["message"][:30])
        for each in sorted(found["revisions"], key=lambda each: -each["number"])
    ]
    print_table(
        ["REVISION", "VERSION", "STATE", "SINCE", "MESSAGE"], rows, empty="No revisions: nothing is approved yet"
    )


def rollback(
    command: typer.Context,
    name: str,
    to: Annotated[
        str | None, typer.Option(help="A version that was live before; the one before this when not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Go back to the version that answered before; recorded like an approval, done when it answers.

    Examples: tidemill service rollback fuel; tidemill service rollback fuel --to fuel@3
    """
    context = context_of(command)
    started = time.monotonic()
    moved = context.connection.post(f"/services/{name}/rollback", {"to": to})
    label = context.connection.get(f"/model-versions/{moved['model_version_id']}")["label"]
    if not context.connection.is_embedded:
        _until_live(context, name, moved["model_version_id"])
    seconds = time.monotonic() - started
    if as_json:
        print_json({**moved, "version": label, "seconds": round(seconds, 3)})
        return
    say(f"{name} answers with {label} again, after {seconds:.2f} s")


def token(
    command: typer.Context,
    name: str,
    minutes: Annotated[int, typer.Option(help="How long it is valid.", min=1, max=1440)] = 60,
) -> None:
    """Print a token that can only ask this service for predictions.

    Example: tidemill service token fuel --minutes 10
    """
    made = context_of(command).connection.post(f"/services/{name}/token", {"ttl_seconds": minutes * 60})
    say(made["token"])


def page(command: typer.Context, name: str) -> None:
    """Print a link to the page of a service; it signs one browser in as you, once.

    Example: tidemill service page fuel
    """
    context = context_of(command)
    _get(context, name)
    say(sign_in_link(context.connection, f"/api/v1/services/{name}/page"))


def delete(
    command: typer.Context,
    name: str,
    force: Annotated[bool, typer.Option("--force", help="Stop answering at once.")] = False,
) -> None:
    """Delete a service; in a gated environment it goes on answering unless forced.

    Example: tidemill service delete fuel --force
    """
    gone = context_of(command).connection.delete(f"/services/{name}?force={'true' if force else 'false'}")["gone"]
    say(f"{name} is gone" if gone else f"{name} is marked; it answers until --force")


def _get(context: Context, name: str) -> dict[str, Any]:
    found: dict[str, Any] = context.connection.get(f"/services/{name}")
    return found


def _settled(context: Context, name: str) -> dict[str, Any]:
    """The service once the controller has seen it and is not loading anything."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        service = _get(context, name)
        seen = service["observed_generation"] == service["generation"]
        if (seen and service["reason"] != "Loading") or time.monotonic() > deadline:
            return service
        time.sleep(POLL_SECONDS)


def _until_live(context: Context, name: str, version_id: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        service = _get(context, name)
        live = [each for each in service["revisions"] if each["state"] == "live"]
        # a row alone says nothing: it answers when what is proven is what serves
        if service["reason"] == "Serving" and any(each["model_version_id"] == version_id for each in live):
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} does not answer with it yet", remedy=f"tidemill service show {name}")
        time.sleep(0.02)


def _asker(context: Context, service: str) -> Callable[[list[Any]], Predicted]:
    from tidemill.serving.predict import predict as ask

    url = context.connection.public_url
    if url is None:
        _get(context, service)
        raise Unavailable("no site is up, so nobody answers", remedy="tidemill up --detach")
    found = answering_service(context, service)
    secret = ""
    if found["spec"]["access"] == "token":
        secret = context.connection.post(f"/services/{service}/token", {"ttl_seconds": 600})["token"]

    def asker(instances: list[Any]) -> Predicted:
        return ask(url, namespace=found["namespace"], service=service, token=secret, instances=instances)

    return asker


def _instances(values: list[str] | None, data: str | None) -> list[Any]:
    if bool(values) == bool(data):
        raise InvalidInput("give one row as COLUMN=VALUE, or rows with --data", remedy="tidemill predict --help")
    if data is not None:
        from tidemill.base.canonical import parse_json

        text = _read(Path(data[1:])) if data.startswith("@") else data
        rows = parse_json(text, place="--data")
        if isinstance(rows, dict):
            rows = rows.get("instances", [rows])
        if not isinstance(rows, list):
            raise InvalidInput("is no list of rows", place="--data")
        return rows
    row: dict[str, Any] = {}
    for text in values or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{text!r} is not COLUMN=VALUE", remedy=f"write {text}=3.5, or rows with --data")
        if name in row:
            raise InvalidInput(f"the column {name!r} stands twice", remedy="give each column one value")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        # JSON has no NaN and no infinity: such a word goes as the text that it is, and the service says so
        row[name] = value if isinstance(read, float) and not math.isfinite(read) else read
    return [row]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as problem:
        raise NotFound("there is no such file", place=str(path), remedy="write --data @FILE") from problem
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"is not UTF-8 at byte {problem.start}", place=str(path)) from problem


def _state_of(service: dict[str, Any]) -> str:
    if service["ready"]:
        return "DEGRADED" if service["degraded"] else "READY"
    return str(service["reason"])


def _say_service(context: Context, service: dict[str, Any]) -> None:
    url = context.connection.public_url
    state = "ready" if service["ready"] else ""
    if service["degraded"] or not service["ready"] or service["reason"] == "RollingOut":
        state += f"{_joint(service)}{service['reason']}: {service['message']}"
    fields = {
        "service": f"{service['name']} in {service['spec']['environment']}",
        "state": state,
        "address": f"{url or '(no site is up)'}{service['path']}",
    }
    if service["rollout"] is not None:
        fields["rollout"] = rollout_line(service["rollout"])
    print_fields(fields)


def _joint(service: dict[str, Any]) -> str:
    if not service["ready"]:
        return ""
    return ", but " if service["degraded"] else ", "

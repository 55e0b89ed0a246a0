"""`tidemill model` and `lineage`: versions, what differs between them, and where an answer comes from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from tidemill.base.errors import Forbidden
from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import ago, print_fields, print_json, print_table, short


def add_to(app: typer.Typer) -> None:
    """Add the noun and the verb to the command tree."""
    model = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Models, their versions, and differences.")
    model.command("list")(listing)
    model.command()(show)
    model.command("diff")(difference)
    app.add_typer(model, name="model")
    app.command()(lineage)


def listing(
    command: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="List this model's versions.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List models, or the versions of one.

    Examples: tidemill model list; tidemill model list fuel
    """
    connection = context_of(command).connection
    found = connection.pages(f"/models/{name}/versions" if name else "/models", limit=200)
    if as_json:
        print_json(found)
        return
    if name is None:
        rows = [(each["name"], each["versions"], ago(each["created_at"])) for each in found]
        print_table(["MODEL", "VERSIONS", "SINCE"], rows, empty="No models yet: tidemill review open makes a version")
        return
    live = {each["model_version_id"]: each["environment"] for each in connection.get("/live-pointers")["items"]}
    table = [
        (each["label"], live.get(each["id"], "-"), _metrics(each["metrics"]), each["author"], ago(each["created_at"]))
        for each in found
    ]
    print_table(["VERSION", "LIVE IN", "METRICS", "BY", "MADE"], table, empty="No versions yet")


def show(
    command: typer.Context,
    version: Annotated[str, typer.Argument(help="MODEL@NUMBER, or an id.")],
    as_json: JsonOption = False,
) -> None:
    """Show where a version comes from and who let it through.

    Example: tidemill model show fuel@3
    """
    found = context_of(command).connection.get(f"/model-versions/{version}/trace")
    if as_json:
        print_json(found)
    else:
        _print_origin(found)
    _demand_proof(found["reviews"])


def difference(command: typer.Context, old: str, new: str, as_json: JsonOption = False) -> None:
    """Say what differs between two versions: parameters, metrics, data, lock, code.

    Example: tidemill model diff fuel@1 fuel@2
    """
    found = context_of(command).connection.get("/model-differences", old=old, new=new)
    if as_json:
        print_json(found)
        return
    rows: list[tuple[str, str, str, str]] = []
    for kind in ("parameters", "metrics", "data_versions"):
        rows += [(kind, name, _value(pair[0]), _value(pair[1])) for name, pair in found[kind].items()]
    for kind in ("lock_digest", "spec_digest", "code_commit"):
        if found[kind]:
            rows.append((kind, "", short(found[kind][0]), short(found[kind][1])))
    print_table(["WHAT", "NAME", found["old"], found["new"]], rows, empty="They do not differ.")


def lineage(
    command: typer.Context,
    prediction_id: Annotated[
        str, typer.Argument(metavar="PREDICTION_ID", help="From `tidemill predict`, or the header x-request-id.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Trace a prediction back to its model version, approver, run, data version and commit.

    Example: tidemill lineage 01a1fa2c-6be9-715b-b70f-b7b924d41bc7
    """
    found = context_of(command).connection.get(f"/predictions/{prediction_id}/lineage")
    if as_json:
        print_json(found)
    else:
        prediction = found["prediction"]
        first: dict[str, object] = {
            "prediction": f"{prediction['id']}, {ago(prediction['time'])}",
            "revision": f"{found['service']} {found['revision']}",
        }
        _print_origin(found, first)
    _demand_proof([found["review"]] if found["review"] else found["reviews"])


def _demand_proof(reviews: list[dict[str, Any]]) -> None:
    """`Forbidden` when the rows shown are not what was signed: whoever asks where an answer comes from must know."""
    for review in reviews:
        if review["problem"]:
            raise Forbidden(
                f"what is shown does not verify: {review['problem']}",
                remedy="believe none of it; restore the database from a backup",
            )


def _print_origin(found: dict[str, Any], first: dict[str, object] | None = None) -> None:
    version, run = found["model_version"], found["run"]
    approved = found.get("review") or next((each for each in found["reviews"] if each["state"] == "approved"), None)
    asked = approved or next(iter(found["reviews"]), None)
    given = {each["approver"]: f" at {each['at'][:19]}" for each in (approved or {}).get("approvals", [])}
    approvers = ", ".join(f"{each}{given.get(each, '')}" for each in (approved or {}).get("approvers", []))
    shown = {name: value for name, value in run["parameters"].items() if not name.startswith("data_")}
    print_fields(
        {
            **(first or {}),
            "version": f"{version['label']} ({short(version['package_digest'])}) by {version['author']}",
            "review": "none" if asked is None else f"{asked['id']} ({asked['state']})",
            "approver": approvers or "none",
            **(
                {"passed": approved["automatic_in_words"]}
                if approved and (approved["automatic"] or {}).get("passed")
                else {}
            ),
            "run": f"{run['id']} by {run['author']}",
            "parameters": ", ".join(f"{name}={_value(value)}" for name, value in shown.items()) or "-",
            "metrics": _metrics(found["metrics"]),
            **{f"data {path}": _data(path, told) for path, told in found["data_versions"].items()},
            "commit": found["code_commit"] or "not committed",
            "lock": short(found["lock_digest"]),
            "spec": short(found["spec_digest"]),
        }
    )


def _data(path: str, version: str) -> str:
    return f"{version[:19]}, no version: tidemill data add {path}" if version.startswith("sha256:") else version


def _metrics(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {value:.4g}" for name, value in metrics.items()) or "-"


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

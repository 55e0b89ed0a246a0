"""Load a project file into its nouns: strict, each error with file and line."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput, NotFound, TooLarge
from tidemill.pipelines.documents import Document, Spot
from tidemill.project.conform import conform
from tidemill.project.keys import FILE
from tidemill.project.model import (
    Column,
    Dataset,
    EnvironmentPlan,
    FormField,
    ModelPlan,
    Project,
    ServicePlan,
    TriggerPlan,
    TuningPlan,
)
from tidemill.project.toml_lines import key_lines

FILE_NAME = "tidemill.toml"
MAX_BYTES = 1024 * 1024


def find_project(start: Path) -> Path | None:
    """The nearest `tidemill.toml` in a folder or above it; None when there is none."""
    for folder in (start.absolute(), *start.absolute().parents):
        candidate = folder / FILE_NAME
        if candidate.is_file():
            return candidate
    return None


def load_project(path: Path) -> Project:
    """Load a project file, or the one in a folder.

    `NotFound` when there is none; an unknown key, a wrong value or a contradiction raises `InvalidInput` with file,
    line and the nearest key. The files that it names are not looked at (see `check_project`), but for a requirements
    file.
    """
    file = path / FILE_NAME if path.is_dir() else path
    text = _read(file)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise InvalidInput(f"not TOML: {problem}", place=str(file), remedy="correct it there") from problem
    except (RecursionError, ValueError) as problem:
        raise InvalidInput("not TOML that can be read", place=str(file)) from problem
    spot = Spot(document=Document(value=value, place=str(file), lines=key_lines(text)))
    checked = conform(value, FILE, spot)
    about = checked["project"]
    if isinstance(named := about.get("requirements"), str):
        about = {**about, "requirements": _requirements(named, file, spot.at("project", "requirements"))}
    return _project(file.absolute(), {**checked, "project": about}, spot)


def project_of(document: Mapping[str, Any]) -> Project:
    """The project that the tables of a file declare, without the file; nothing on this machine is looked at.

    Raises `InvalidInput` like `load_project`, and for what only the file's own folder knows.
    """
    spot = Spot(document=Document(value=document, place=FILE_NAME))
    checked = conform(document, FILE, spot)
    if "settings" in checked:
        raise spot.at("settings").problem("are the folder's own", "leave them out")
    if isinstance(checked["project"].get("requirements"), str):
        raise spot.at("project", "requirements").problem("names a file", "send the lines of it as a list")
    return _project(Path(FILE_NAME), checked, spot)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TooLarge(f"more than {MAX_BYTES} bytes", place=str(file))
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError as problem:
        raise NotFound("there is no project file", place=str(file), remedy="make one with: tidemill init") from problem
    except OSError as problem:
        raise InvalidInput(f"cannot be read: {problem.strerror}", place=str(file)) from problem
    except UnicodeDecodeError as problem:
        raise InvalidInput(f"not UTF-8 at byte {problem.start}", place=str(file)) from problem


def _project(file: Path, value: Mapping[str, Any], spot: Spot) -> Project:
    about = value["project"]
    here = spot.at("project")
    if ("notebook" in about) == ("pipeline" in about):
        raise here.problem("needs either notebook or pipeline", 'for example notebook = "pipeline.ipynb"')
    return Project(
        path=file,
        name=about["name"],
        notebook=about.get("notebook", ""),
        pipeline=about.get("pipeline", ""),
        requirements=tuple(about.get("requirements", ())),
        python=about.get("python", ""),
        experiment=about.get("experiment", ""),
        parameters=value.get("parameters", {}),
        data={name: Dataset(name=name, **entry) for name, entry in value.get("data", {}).items()},
        tuning=_tuning(value["tuning"], spot.at("tuning")) if "tuning" in value else None,
        model=_model(value["model"]) if "model" in value else None,
        gate=_gate(value.get("gate", {}), spot.at("gate")),
        service=_service(value["service"], spot.at("service")) if "service" in value else None,
        monitor=value.get("monitor"),
        notify=value.get("notify"),
        environments={
            name: EnvironmentPlan(
                name=name,
                access=entry.get("access", ""),
                gate=_gate(entry.get("gate", {}), spot.at("environments", name, "gate")),
                rollout=_rollout(entry.get("rollout", {}), spot.at("environments", name, "rollout")),
            )
            for name, entry in value.get("environments", {}).items()
        },
        triggers={name: _trigger(name, entry) for name, entry in value.get("triggers", {}).items()},
        declared={name: table for name, table in value.items() if name != "settings"},
        lines=spot.document.lines,
    )


def _requirements(given: str, file: Path, spot: Spot) -> list[str]:
    path = file.parent / given
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise spot.problem(f"the file {given} cannot be read", "or give a list of requirements") from problem
    plain = (line.split(" #", 1)[0].strip() for line in lines)
    return [line for line in plain if line and not line.startswith("#")]


def _tuning(value: Mapping[str, Any], spot: Spot) -> TuningPlan:
    space = {name: _dimension(entry, spot.at("space", name)) for name, entry in value["space"].items()}
    if not space:
        raise spot.at("space").problem("names no parameter")
    return TuningPlan(**{**value, "space": space})


def _dimension(entry: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    kind = entry.get("type", "choice" if "choices" in entry else "")
    if kind == "categorical":
        kind = "choice"
    if not kind:
        raise spot.problem("needs a type: int, float or choice")
    if kind == "choice":
        if not entry.get("choices"):
            raise spot.problem("needs choices", 'for example choices = ["a", "b"]')
        extra = sorted(set(entry) - {"type", "choices"})
    else:
        extra = sorted({"choices"} & set(entry))
        _interval(kind, entry, spot)
    if extra:
        raise spot.at(extra[0]).problem(f"means nothing for the type {kind}")
    return {**entry, "type": kind}


def _interval(kind: str, entry: Mapping[str, Any], spot: Spot) -> None:
    if "low" not in entry or "high" not in entry:
        raise spot.problem(f"needs low and high for the type {kind}")
    for key in ("low", "high", "step"):
        if kind == "int" and key in entry and entry[key] != int(entry[key]):
            raise spot.at(key).problem("should be a whole number for the type int")
    if entry["low"] > entry["high"]:
        raise spot.at("low").problem(f"{entry['low']} is above high, {entry['high']}")
    if entry.get("step", 1) <= 0:
        raise spot.at("step").problem("should be above 0")
    if entry.get("log") and (entry["low"] <= 0 or "step" in entry):
        raise spot.at("log").problem("a logarithmic interval starts above 0 and has no step")


def _model(value: Mapping[str, Any]) -> ModelPlan:
    columns = {name: Column(**entry) for name, entry in value.get("columns", {}).items()}
    return ModelPlan(**{**value, "columns": columns, "prediction": Column(**value.get("prediction", {}))})


def _service(value: Mapping[str, Any], spot: Spot) -> ServicePlan:
    output = value.get("output", {})
    plain = {key: item for key, item in value.items() if key not in ("form", "output", "rollout")}
    form = tuple(
        FormField(column=column, **{**entry, **({"example": str(entry["example"])} if "example" in entry else {})})
        for column, entry in value.get("form", {}).items()
    )
    return ServicePlan(
        **plain,
        form=form,
        output_label=output.get("label", ""),
        output_unit=output.get("unit", ""),
        rollout=_rollout(value.get("rollout", {}), spot.at("rollout")),
    )


def _rollout(value: Mapping[str, Any], spot: Spot) -> Mapping[str, Any]:
    for index, step in enumerate(value.get("steps", ())):
        if not isinstance(step, int) or isinstance(step, bool):
            raise spot.at("steps", index).problem("should be a whole number of percent", "for example [10, 50, 100]")
    return value


def _trigger(name: str, entry: Mapping[str, Any]) -> TriggerPlan:
    plain = {"environment", "then", "concurrency", "cooldown_seconds", "catch_up", "catch_up_limit"}
    own = {key: item for key, item in entry.items() if key in plain}
    settings = {key: item for key, item in entry.items() if key not in {*plain, "on"}}
    return TriggerPlan(name=name, kind=entry["on"], settings=settings, **own)


def _gate(value: Mapping[str, Any], spot: Spot) -> dict[str, Any]:
    """The policy's JSON: thresholds as a list with the metric in each."""
    policy = dict(value)
    if "thresholds" in policy:
        for metric, bounds in policy["thresholds"].items():
            here = spot.at("thresholds", metric)
            if not bounds:
                raise here.problem("needs min or max")
            if bounds.get("min", float("-inf")) > bounds.get("max", float("inf")):
                raise here.problem("min is above max, so that nothing passes")
        policy["thresholds"] = [{"metric": metric, **bounds} for metric, bounds in policy["thresholds"].items()]
    hygiene = policy.get("hygiene")
    if hygiene is not None and not (hygiene.get("evaluation") and hygiene.get("training")):
        raise spot.at("hygiene").problem("needs evaluation and training: the rows that are compared")
    return policy

"""Compare what a project declares with what is there: what `apply` would do, and where the two have drifted apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tidemill.project.model import Project
from tidemill.project.requests import policy_json

State = Mapping[str, Mapping[str, Any]]
"""Objects by subject (`service/production/fuel`), each with its fields by dotted name."""


class Action(StrEnum):
    """What happens to an object."""

    CREATE = "create"  # it is declared and not there
    UPDATE = "update"  # some of its declared fields differ
    RELEASE = "release"  # it was declared and is no more: it stays, and the file owns it no longer


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A declared field that differs; None where a side has no value.

    `drifted`: the declaration is the one last applied, so it was changed on the site since.
    """

    field: str
    old: Any
    new: Any
    drifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object that `apply` would touch, and the fields that it would set."""

    action: Action
    subject: str
    fields: tuple[FieldChange, ...] = ()

    @property
    def drifted(self) -> bool:
        """True when somebody changed a declared field on the site."""
        return any(field.drifted for field in self.fields)


def declared_state(project: Project) -> dict[str, dict[str, Any]]:
    """The objects that a project declares, with the fields that the file owns; what it leaves out is not owned."""
    state: dict[str, dict[str, Any]] = {}
    for name, dataset in project.data.items():
        named = {"path": dataset.path, "remote": dataset.remote, "attribution": dataset.attribution}
        state[f"data/{name}"] = {key: value for key, value in named.items() if value}
    service = project.service
    if service is None:
        return state
    where = f"{service.environment}/{service.name}"
    environment = project.environments.get(service.environment)
    said = environment.access if environment is not None else ""
    fields: dict[str, Any] = {
        "model": project.model.name if project.model is not None else "",
        "access": said or (service.access if ("service", "access") in project.lines else ""),
        "timeout_seconds": service.timeout_seconds if ("service", "timeout_seconds") in project.lines else "",
        "form.title": service.title,
        "form.output_label": service.output_label,
        "form.output_unit": service.output_unit,
    }
    for field in service.form:
        for key in ("label", "unit", "example"):
            fields[f"form.fields.{field.column}.{key}"] = getattr(field, key)
    state[f"service/{where}"] = {key: value for key, value in fields.items() if value != ""}
    policy = _flat(policy_json(project, service.environment))
    if policy:
        state[f"policy/{where}"] = policy
    return state


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted names; a list of thresholds by its metrics, other lists as they are."""
    fields: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            fields.update(_flat(item, f"{prefix}{key}."))
        elif key == "thresholds":
            fields.update(_flat({each["metric"]: _bounds(each) for each in item}, f"{prefix}thresholds."))
        else:
            fields[f"{prefix}{key}"] = item
    return fields


def _bounds(threshold: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in threshold.items() if key != "metric"}


def plan_project(project: Project, current: State, applied: State | None = None) -> list[Change]:
    """What `apply` would do, in the order of the file; nothing for what is as declared.

    `current` is what is there, `applied` what the last `apply` of this file declared. Only declared fields are
    compared: what a person or a verb set beside them (traffic, pauses) stays.
    """
    before = applied or {}
    changes: list[Change] = []
    declared = declared_state(project)
    for subject, fields in declared.items():
        if subject not in current:
            created = tuple(FieldChange(field=name, old=None, new=value) for name, value in fields.items())
            changes.append(Change(action=Action.CREATE, subject=subject, fields=created))
            continue
        differing = tuple(_differences(fields, current[subject], before.get(subject, {})))
        if differing:
            changes.append(Change(action=Action.UPDATE, subject=subject, fields=differing))
    changes.extend(
        Change(action=Action.RELEASE, subject=subject)
        for subject in before
        if subject not in declared and subject in current
    )
    return changes


def _differences(
    declared: Mapping[str, Any], current: Mapping[str, Any], applied: Mapping[str, Any]
) -> Iterable[FieldChange]:
    for name, value in declared.items():
        there = current.get(name)
        if there != value:
            unchanged = name in applied and applied[name] == value
            yield FieldChange(field=name, old=there, new=value, drifted=unchanged)
    for name in applied:
        # A field that the file no longer names goes back to what it is without a declaration.
        if name not in declared and name in current:
            yield FieldChange(field=name, old=current[name], new=None)

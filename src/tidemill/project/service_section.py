"""The section `[service]`: a service of the site, in the names of the project file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.project.fields import Fields, Path
from tidemill.project.live import LiveSection, Target
from tidemill.project.model import Project
from tidemill.project.requests import service_spec_of
from tidemill.serving import Access, Form, FormField, ServiceSpec
from tidemill.serving.apply import apply_service_in
from tidemill.serving.find import service_in
from tidemill.serving.rollout.plan import plan_from_json

NAME: Path = ("service", "name")
ENVIRONMENT: Path = ("service", "environment")
ACCESS: Path = ("service", "access")
TIMEOUT: Path = ("service", "timeout_seconds")
TITLE: Path = ("service", "title")
FORM: Path = ("service", "form")
OUTPUT_LABEL: Path = ("service", "output", "label")
OUTPUT_UNIT: Path = ("service", "output", "unit")
MODEL: Path = ("model", "name")
ROLLOUT: Path = ("service", "rollout")
PREDICTION_UNIT: Path = ("model", "prediction", "unit")


class ServiceSection:
    """A service follows `[service]`, what `[environments]` says of its access, and the names and units of `[model]`."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """The service of that name; one that somebody deleted counts as not there, although it may still answer."""
        if project.service is None:
            return None
        spec = service_spec_of(project)
        known = service_in(connection, namespace_id, spec.name)
        there = None if known is None or known.deleting else known.spec
        forms = [spec.form.fields, there.form.fields if there is not None else ()]
        columns = {field.column: "" for form in forms for field in form}
        declared = {column: _unit(project, column) for column in columns}
        return LiveSection(
            subject=f"service {spec.name}",
            identity=NAME,
            desired=_fields(spec, declared),
            actual=None if there is None else _fields(there, {**columns, **_units(there)}),
            owners={
                path: (path, ("environments", spec.environment, *path[1:]))
                for path in (ACCESS, *((*ROLLOUT, key) for key in spec.rollout.to_json()))
            },
        )

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Make the service, or change it; one that is declared no more stays as it is, owned by nobody."""
        if target.after.service is None:
            return
        spec = _spec(target.fields)
        known = service_in(connection, actor.namespace_id, spec.name)
        if known is not None and known.spec.environment == spec.environment:
            spec = replace(spec, model_version=known.spec.model_version)  # no file says that
        apply_service_in(connection, site, actor, spec)


def _unit(project: Project, column: str) -> str:
    known = project.model.columns if project.model is not None else {}
    return known[column].unit if column in known else ""


def _units(spec: ServiceSpec) -> dict[str, str]:
    return {field.column: field.model_unit for field in spec.form.fields}


def _fields(spec: ServiceSpec, units: Mapping[str, str]) -> dict[Path, Any]:
    """`units` are those of the model's columns."""
    fields: dict[Path, Any] = {
        MODEL: spec.model,
        **{("model", "columns", column, "unit"): unit for column, unit in units.items()},
        PREDICTION_UNIT: spec.form.model_output_unit,
        NAME: spec.name,
        ENVIRONMENT: spec.environment,
        ACCESS: spec.access.value,
        TIMEOUT: spec.timeout_seconds,
        TITLE: spec.form.title,
        FORM: [field.column for field in spec.form.fields],
        OUTPUT_LABEL: spec.form.output_label,
        OUTPUT_UNIT: spec.form.output_unit,
        **{(*ROLLOUT, key): value for key, value in spec.rollout.to_json().items()},
    }
    for field in spec.form.fields:
        for key in ("label", "unit", "example"):
            fields[*FORM, field.column, key] = getattr(field, key)
    return fields


def _spec(fields: Fields) -> ServiceSpec:
    """The service of these fields: the other way round."""
    form = Form(
        title=fields[TITLE],
        fields=tuple(
            FormField(
                column=column,
                model_unit=fields.get(("model", "columns", column, "unit")) or "",
                **{key: fields.get((*FORM, column, key)) or "" for key in ("label", "unit", "example")},
            )
            for column in fields[FORM]
        ),
        output_label=fields[OUTPUT_LABEL],
        output_unit=fields[OUTPUT_UNIT],
        model_output_unit=fields[PREDICTION_UNIT],
    )
    return ServiceSpec(
        name=fields[NAME],
        environment=fields[ENVIRONMENT],
        model=fields[MODEL],
        access=Access(fields[ACCESS]),
        timeout_seconds=float(fields[TIMEOUT]),
        form=form,
        rollout=plan_from_json({path[-1]: value for path, value in fields.items() if path[:-1] == ROLLOUT}),
    )

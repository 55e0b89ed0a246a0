"""The verbs apply_service and delete_service: what a service shall be; the reconciler makes it so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any
from unicodedata import category

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.access.namespaces import namespace_of
from tidemill.base.errors import Conflict, InvalidInput, NotFound
from tidemill.base.events import append_event
from tidemill.base.repeats import subject_done
from tidemill.base.site import Site
from tidemill.serving import store
from tidemill.serving.model import Reason, Service, ServiceSpec
from tidemill.serving.rollout.plan import check_plan
from tidemill.serving.units import check_conversion

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ENVIRONMENT = re.compile(r"[a-z][-a-z0-9]{0,30}")
LONGEST_TIMEOUT_SECONDS = 3600.0
LONGEST_TEXT = 1_000


def apply_service(site: Site, actor: Actor, spec: ServiceSpec, *, generation: int | None = None) -> Service:
    """Make a service, or change it to `spec`; unchanged when it is so already. The reconciler does the rest.

    `generation`, when given, must be the service's (If-Match). Raises `InvalidInput` with the field, `Conflict`.
    """
    with site.database.write() as connection:
        return apply_service_in(connection, site, actor, spec, generation=generation)


def apply_service_in(
    connection: Connection, site: Site, actor: Actor, spec: ServiceSpec, *, generation: int | None = None
) -> Service:
    """`apply_service` in the caller's transaction."""
    actor.demand(Permission.WRITE)
    _check(spec)
    known = store.service_by_name(connection, actor.namespace_id, spec.name)
    if known is not None and subject_done("service.applied") == known.id:
        return known
    if generation is not None and (known is None or known.generation != generation):
        raise Conflict(f"the service {spec.name} has changed meanwhile", remedy="look again, then apply again")
    if known is not None and known.spec.environment != spec.environment:
        raise Conflict(
            f"the service {spec.name} belongs to {known.spec.environment}",
            place="environment",
            remedy="what was let in there may not be let in here: delete the service with force, then make it anew",
        )
    if known is not None and known.spec == spec and not known.deleting:
        return known
    service = _new(connection, site, actor, spec) if known is None else _changed(site, known, spec)
    _write(connection, site, actor, service, is_new=known is None)
    return service


def _new(connection: Connection, site: Site, actor: Actor, spec: ServiceSpec) -> Service:
    now = site.clock.now()
    return Service(
        id=site.ids.new(),
        namespace_id=actor.namespace_id,
        namespace=namespace_of(connection, actor.namespace_id).name,
        spec=spec,
        generation=1,
        observed_generation=0,
        ready=False,
        reason=Reason.AWAITING_APPROVAL if spec.is_gated else Reason.LOADING,
        message="",
        deleting=False,
        created_by=actor.person,
        created_at=now,
        updated_at=now,
    )


def _changed(site: Site, known: Service, spec: ServiceSpec) -> Service:
    return replace(known, spec=spec, generation=known.generation + 1, deleting=False, updated_at=site.clock.now())


def delete_service(site: Site, actor: Actor, name: str, *, force: bool = False) -> Service | None:
    """Delete a service; returns it while it still serves, None when it is gone.

    In a gated environment a service that has been approved serves on until `force`. Raises `NotFound`.
    """
    actor.demand(Permission.WRITE)
    if subject_done("service.deleted") is not None:
        return None
    with site.database.read() as connection:
        known = store.service_by_name(connection, actor.namespace_id, name)
    if known is None:
        raise NotFound(f"there is no service {name!r}", remedy="tidemill service list")
    if known.spec.is_gated and known.ready and not force:
        kept = replace(known, generation=known.generation + 1, deleting=True, updated_at=site.clock.now())
        if not known.deleting:
            with site.database.write() as connection:
                _write(connection, site, actor, kept, is_new=False)
        return kept
    with site.database.write() as connection:
        store.delete_service_row(connection, actor.namespace_id, known.id)
        append_event(
            connection,
            site.clock,
            namespace_id=actor.namespace_id,
            kind="service.deleted",
            subject_id=known.id,
            data={"name": name},
            created_by=actor.person,
        )
    return None


def _write(connection: Connection, site: Site, actor: Actor, service: Service, *, is_new: bool) -> None:
    if is_new:
        store.insert_service(connection, service)
    elif not store.update_spec(connection, service):
        raise Conflict(f"the service {service.name} has changed meanwhile", remedy="look again, then apply again")
    append_event(
        connection,
        site.clock,
        namespace_id=service.namespace_id,
        kind="service.applied",
        subject_id=service.id,
        data={"name": service.name, "generation": service.generation},
        created_by=actor.person,
    )


def _check(spec: ServiceSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        raise InvalidInput(
            f"{spec.name!r} is not a service name",
            place="name",
            remedy="use up to 63 of: lower-case letters, digits, inner hyphens",
        )
    if not _ENVIRONMENT.fullmatch(spec.environment):
        raise InvalidInput(
            f"{spec.environment!r} is not an environment",
            place="environment",
            remedy="use development, staging or production",
        )
    if not 0 < spec.timeout_seconds <= LONGEST_TIMEOUT_SECONDS:
        raise InvalidInput(
            f"a timeout of {spec.timeout_seconds:g} s is out of range",
            place="timeout_seconds",
            remedy=f"choose more than 0 and at most {LONGEST_TIMEOUT_SECONDS:g}",
        )
    if spec.is_gated and spec.model_version:
        raise InvalidInput(
            f"a service in {spec.environment} takes what its review approved, not a version by name",
            place="model_version",
            remedy="open a review for the version, or choose the environment development",
        )
    _check_texts(asdict(spec), "")
    check_plan(spec.rollout)
    for item in spec.form.fields:
        check_conversion(item.unit, item.model_unit, place=f"form.{item.column}")
    check_conversion(spec.form.output_unit, spec.form.model_output_unit, place="form.output")


def _check_texts(value: Any, place: str) -> None:
    """Refuse what cannot be written down, or steers what it is shown on, wherever in a spec it stands."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT or any(category(each) in ("Cc", "Cs") for each in value):
            raise InvalidInput(f"is no text of one line of at most {LONGEST_TEXT} characters", place=place)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            _check_texts(inner, f"{place}.{name}".lstrip("."))
    elif isinstance(value, Iterable):
        for number, inner in enumerate(value):
            _check_texts(inner, f"{place}.{number}")

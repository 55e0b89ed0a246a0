"""The verb plan_project: what an apply of a file would do, and where file, applied state and site differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.canonical import canonical_json
from tidemill.base.errors import InvalidInput, TooLarge
from tidemill.base.site import Site
from tidemill.project import store
from tidemill.project.check import check_monitor, check_notify, check_triggers, check_units
from tidemill.project.compare import (
    ForeignChange,
    Plan,
    Side,
    changed_fields,
    foreign_changes,
    released,
    run_time_changes,
)
from tidemill.project.fields import Fields, fields_of
from tidemill.project.load import MAX_BYTES, project_of
from tidemill.project.model import AppliedProject, ApplyRequest, Generation, Project
from tidemill.project.sections import SECTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A plan with the two sides that it came from; `applied` is None before the first apply."""

    plan: Plan
    file: Side
    applied: Side | None


def plan_project(site: Site, actor: Actor, name: str, request: ApplyRequest) -> Plan:
    """What `apply_project` of the same file would do; changes nothing.

    Raises `InvalidInput` with the field for a file that cannot be applied.
    """
    actor.demand(Permission.READ)
    project = asked_project(name, request)
    with site.database.read() as connection:
        return compare_in(connection, actor.namespace_id, project, request).plan


def asked_project(name: str, request: ApplyRequest) -> Project:
    """The project of a request, checked as far as it can be without its folder."""
    project = project_of(request.document)
    if project.name != name:
        raise InvalidInput(f"the file is of the project {project.name!r}", place="project.name", remedy=f"not {name!r}")
    if len(canonical_json(request.document)) > MAX_BYTES:
        raise TooLarge(f"more than {MAX_BYTES} bytes", place="document")
    check_units(project)
    check_monitor(project)
    check_notify(project)
    check_triggers(project, file=request.file)
    return project


def compare_in(
    connection: Connection, namespace_id: str, project: Project, request: ApplyRequest, *, number: int | None = None
) -> Comparison:
    """The comparison of a project with what was applied and what is there, in the caller's transaction.

    `number` is the generation that counts as applied; the newest one when it is not given.
    """
    newest = store.applied_project(connection, namespace_id, project.name, number)
    file = _side(connection, namespace_id, project)
    applied = _side(connection, namespace_id, project_of(newest.document)) if newest is not None else None
    plan = Plan(
        project=project.name,
        applied=newest.generation if newest is not None else None,
        base=request.base,
        changes=changed_fields(file, applied),
        at_run_time=run_time_changes(file, applied),
        by_others=_by_others(connection, newest, file, request.base) if newest is not None else (),
        released=released(file, applied),
    )
    return Comparison(plan=plan, file=file, applied=applied)


def _side(connection: Connection, namespace_id: str, project: Project) -> Side:
    found = (section.read(connection, namespace_id, project) for section in SECTIONS)
    return Side.of(project, (each for each in found if each is not None))


def _by_others(connection: Connection, newest: AppliedProject, file: Side, base: int) -> tuple[ForeignChange, ...]:
    number = newest.generation.number
    if base > number:
        raise InvalidInput(f"the newest generation is {number}", place="base", remedy="look again: tidemill plan")
    return foreign_changes(file.fields, _states(connection, newest.generation, base))


def _states(connection: Connection, newest: Generation, base: int) -> Iterator[tuple[Generation | None, Fields]]:
    if base == 0:
        yield None, {}
    for each in store.applied_since(connection, newest.namespace_id, newest.project, base):
        yield each.generation, fields_of(each.document)

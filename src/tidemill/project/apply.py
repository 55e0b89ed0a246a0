"""The verb apply_project: the site becomes what a project file declares, and remembers that it was told so."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import Conflict
from tidemill.base.events import append_event
from tidemill.base.repeats import was_done
from tidemill.base.signing import SigningKey, signing_key
from tidemill.base.site import Site
from tidemill.project import store
from tidemill.project.compare import Plan, is_declared_anew, merged
from tidemill.project.fields import digest_of
from tidemill.project.live import Target
from tidemill.project.model import AppliedProject, ApplyRequest, Generation, Project
from tidemill.project.plan import Comparison, asked_project, compare_in
from tidemill.project.sections import SECTIONS

MOST_PROJECTS = 10_000


def apply_project(
    site: Site, actor: Actor, name: str, request: ApplyRequest, *, generation: int | None = None, force: bool = False
) -> tuple[Generation, Plan]:
    """Make the site what a project file declares; the generation that stands now, and the plan that was carried out.

    A file that declares what was applied already makes no new generation; what was changed on the site since is taken
    back all the same. `generation`, when given, must be the newest one (If-Match), 0 for a project that was never
    applied. Raises `InvalidInput` with the field, `Conflict` when that generation is another one, when the file would
    take back what others applied since its base (unless `force`), and when its service is another project's.
    """
    actor.demand(Permission.WRITE)
    project = asked_project(name, request)
    key = signing_key(site.home)
    with site.database.write() as connection:
        comparison = compare_in(connection, actor.namespace_id, project, request)
        newest = comparison.plan.applied
        if newest is not None and was_done("project.applied", name):
            before = compare_in(connection, actor.namespace_id, project, request, number=newest.number - 1)
            return newest, before.plan
        _check_generation(comparison.plan, generation)
        if not force:
            _check_others(comparison.plan)
        _check_service(connection, actor.namespace_id, project)
        if newest is None or is_declared_anew(comparison.file, comparison.applied):
            newest = _record(connection, site, actor, project, _next(site, actor, project, request, newest))
        _write(connection, site, actor, key, comparison, newest)
    return newest, comparison.plan


def _check_generation(plan: Plan, generation: int | None) -> None:
    newest = plan.applied
    if generation is None or generation == (newest.number if newest is not None else 0):
        return
    told = f"by {newest.created_by}, generation {newest.number}" if newest is not None else "never"
    raise Conflict(f"the project {plan.project} was applied meanwhile: {told}", remedy="look again: tidemill plan")


def _check_others(plan: Plan) -> None:
    newest = plan.applied
    if not plan.by_others or newest is None:
        return
    if plan.base == 0:
        where = f" from {newest.file}" if newest.file else ""
        raise Conflict(
            f"{newest.created_by} applied a project {plan.project}{where}, and this file does not come from it",
            place="project.name",
            remedy="choose another name, or see what would change: tidemill plan, then tidemill apply --force",
        )
    first, more = plan.by_others[0], len(plan.by_others) - 1
    fields = first.field + (f" and {more} more" if more else "")
    raise Conflict(
        f"{first.by} applied {fields} since generation {plan.base}, and this file would take it back",
        remedy="take it over into the file (tidemill plan shows it), or apply as it is: tidemill apply --force",
    )


def _check_service(connection: Connection, namespace_id: str, project: Project) -> None:
    """A service belongs to one project."""
    if project.service is None:
        return
    for other in store.newest_of_each(connection, namespace_id, limit=MOST_PROJECTS):
        name = other.generation.project
        if name != project.name and other.document.get("service", {}).get("name") == project.service.name:
            raise Conflict(
                f"the service {project.service.name} belongs to the project {name}",
                place="service.name",
                remedy=f"choose another name, or apply {name} without [service] first",
            )


def _next(site: Site, actor: Actor, project: Project, request: ApplyRequest, newest: Generation | None) -> Generation:
    return Generation(
        namespace_id=actor.namespace_id,
        project=project.name,
        number=1 if newest is None else newest.number + 1,
        digest=digest_of(project.declared),
        file=request.file,
        commit=request.commit,
        created_by=actor.person,
        created_at=site.clock.now(),
    )


def _record(connection: Connection, site: Site, actor: Actor, project: Project, generation: Generation) -> Generation:
    applied = AppliedProject(generation=generation, document=project.declared)
    if not store.insert_generation(connection, applied):
        raise Conflict(
            f"the project {generation.project} is being applied by somebody else", remedy="look again: tidemill plan"
        )
    append_event(
        connection,
        site.clock,
        namespace_id=generation.namespace_id,
        kind="project.applied",
        subject_id=generation.project,
        data={"generation": generation.number, "digest": generation.digest},
        created_by=actor.person,
    )
    return generation


def _write(
    connection: Connection, site: Site, actor: Actor, key: SigningKey, done: Comparison, generation: Generation
) -> None:
    """Each section as the comparison says; one that nobody keeps on the site is told all the same."""
    file, applied = done.file, done.applied
    before = applied.fields if applied is not None else {}
    for section in SECTIONS:
        live = section.read(connection, actor.namespace_id, file.project)
        target = Target(
            before=applied.project if applied is not None else None,
            after=file.project,
            fields=merged(live, file.fields, before) if live is not None else {},
            source=f"project {generation.project}, generation {generation.number}",
            file=generation.file,
            key=key,
        )
        section.write(connection, site, actor, target)

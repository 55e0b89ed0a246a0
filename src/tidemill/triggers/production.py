"""The verb submit_production: a firing's run is made, once, whatever happens in between."""

from __future__ import annotations

from tidemill.access import Actor, Role
from tidemill.base.errors import Forbidden, NotFound
from tidemill.base.site import Site
from tidemill.data import Dvc
from tidemill.engine import Run, RunRequest, get_run, submit_run
from tidemill.engine.specs import read_spec
from tidemill.pipelines import Pipeline, load_pipeline, local_imports
from tidemill.triggers.approvals import Approvals, Approved, demand_approved
from tidemill.triggers.model import Firing
from tidemill.triggers.newest_data import DataWanted, newest_data


def submit_production(site: Site, approvals: Approvals, dvc: Dvc, firing: Firing) -> Run:
    """The run of a firing: the approved pipeline version with its parameters, on the newest data.

    The run has the id that the firing settled, so that a second call finds it. Raises `NotApproved`, `Forbidden` for a
    spec that is not what was approved, and what `newest_data` and `submit_run` raise.
    """
    actor, run_id = driver_of(firing), firing.run_id or ""
    try:
        return get_run(site, actor, run_id)
    except NotFound:
        pass
    approved = demand_approved(site, approvals, firing.namespace_id, firing.action)
    pipeline = approved_spec(site, firing.namespace_id, approved)
    origin, reference = _reference(site, actor, approved)
    imported = {name for name, _ in local_imports(pipeline)}
    known = {name: value for name, value in approved.parameters.items() if name not in imported}
    wanted = DataWanted(pipeline=pipeline, action=firing.action, reference=reference)
    request = RunRequest(
        id=run_id,
        pipeline=pipeline,
        parameters={**known, **newest_data(site, actor, dvc, wanted)},
        name=f"{firing.project}-{firing.trigger}-{firing.id[-12:]}",
        experiment=firing.action.experiment,
        origin={
            **{name: value for name, value in origin.items() if name in ("file", "commit")},
            "project": firing.project,
            "trigger": firing.trigger,
            "trigger_id": firing.trigger_id,
            "firing": firing.id,
            "kind": firing.kind,
            "cause": firing.cause,
            "pipeline_review_id": approved.review_id,
        },
    )
    return submit_run(site, actor, request)


def approved_spec(site: Site, namespace_id: str, approved: Approved) -> Pipeline:
    """The pipeline of an approved version, which must be the one that was signed."""
    with site.database.read() as connection:
        text = read_spec(connection, approved.spec_digest, namespace_id=namespace_id)
    pipeline = load_pipeline(text, place=approved.spec_digest)
    if pipeline.digest != approved.spec_digest:
        raise Forbidden(
            "the stored pipeline spec is not the one that was approved",
            place=approved.spec_digest,
            remedy="restore the database from a backup, or have the pipeline approved again",
        )
    return pipeline


def driver_of(firing: Firing) -> Actor:
    """Who fired: the run is theirs, and so they do not approve what it trains."""
    return Actor(person=firing.created_by, namespace_id=firing.namespace_id, roles=frozenset({Role.CONTRIBUTOR}))


def _reference(site: Site, actor: Actor, approved: Approved) -> tuple[dict[str, object], dict[str, object]]:
    """Origin and parameters of the run that the approved version was taken from, empty when that is gone."""
    try:
        run = get_run(site, actor, approved.run_id)
    except NotFound:
        return {}, {}
    return dict(run.origin), dict(run.parameters)

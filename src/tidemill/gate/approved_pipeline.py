"""The pipeline version that counts as approved for a project and an environment, and how one becomes it."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.base.errors import Forbidden, TidemillError
from tidemill.base.signing import PublicKey, SigningKey, is_key_made, public_key
from tidemill.base.site import Site
from tidemill.gate.audit import PIPELINE_APPROVED, signed_pipeline
from tidemill.gate.model import ApprovedPipeline, Happening, Review
from tidemill.gate.record import record
from tidemill.gate.verify import departures, pipeline_approved_by


def approved_pipeline(
    connection: Connection, site: Site, namespace_id: str, project: str, environment: str
) -> ApprovedPipeline | None:
    """The pipeline version that people approved last there, None when there is none.

    Raises `Forbidden` when the review that the signed head of the audit chain names is not what was signed.
    """
    if not is_key_made(site.home):
        return None
    return approved_pipeline_in(connection, public_key(site.home), namespace_id, project, environment)


def approved_pipeline_in(
    connection: Connection, key: PublicKey, namespace_id: str, project: str, environment: str
) -> ApprovedPipeline | None:
    """`approved_pipeline` for whoever has the key."""
    review_id = signed_pipeline(connection, key, namespace_id, project, environment)
    if review_id is None:
        return None
    found = pipeline_approved_by(connection, key, namespace_id, review_id)
    if (found.project, found.environment) != (project, environment):
        raise Forbidden("the review is about another project or environment", place=f"review {review_id}")
    return found


def settle_pipeline(connection: Connection, site: Site, key: SigningKey, actor: Actor, review: Review) -> None:
    """Make a review's pipeline version the approved one, in the transaction of its approval.

    Unless it is already, for the same service and under the same policy.
    """
    if review.pipeline is None:
        return
    project, environment = review.pipeline.project, review.environment
    try:
        known = approved_pipeline_in(connection, key.public, review.namespace_id, project, environment)
    except TidemillError:
        known = None  # what stood there does not prove: what people approve now takes its place
    if known is not None and not departures(known, review):
        return
    data = {
        "project": project,
        "environment": environment,
        "spec_digest": review.pipeline.spec_digest,
        "run_id": review.pipeline.run_id,
        "pipeline_digest": review.pipeline.digest,
    }
    record(connection, site, key, actor, Happening(PIPELINE_APPROVED, review.id, data))

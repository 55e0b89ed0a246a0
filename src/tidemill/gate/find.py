"""Finding reviews."""

from __future__ import annotations

from sqlalchemy import Connection

from tidemill.access import Actor
from tidemill.access.model import Permission
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.gate import rows
from tidemill.gate.model import Review, ReviewState


def get_review(site: Site, actor: Actor, review_id: str) -> Review:
    """The review of that id; `NotFound` when there is none in the actor's namespace."""
    actor.demand(Permission.READ)
    with site.database.read() as connection:
        return review_in(connection, actor.namespace_id, review_id)


def list_reviews(
    site: Site,
    actor: Actor,
    *,
    states: tuple[ReviewState, ...] = (),
    model_version_id: str | None = None,
    before: str | None = None,
    limit: int = 100,
) -> list[Review]:
    """Reviews, newest first, at most `limit`; `before` is the id of the last one seen."""
    actor.demand(Permission.READ)
    wanted = rows.ReviewFilter(states=states, model_version_id=model_version_id, before=before)
    with site.database.read() as connection:
        return rows.reviews_of(connection, actor.namespace_id, wanted, limit=limit)


def review_in(connection: Connection, namespace_id: str, review_id: str, *, lock: bool = False) -> Review:
    """The review in the caller's transaction; `lock` holds its row until that ends; `NotFound`."""
    found = rows.review_by_id(connection, namespace_id, review_id, lock=lock)
    if found is None:
        raise NotFound(f"there is no review {review_id[:64]}", remedy="tidemill review list")
    return found

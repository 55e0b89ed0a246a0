"""Who may decide about a version: never somebody who made it."""

from __future__ import annotations

import unicodedata

from tidemill.gate.model import Review
from tidemill.registry import ModelVersion


def person_key(person: str) -> str:
    """A name as it is compared: two spellings of one name are one person."""
    return unicodedata.normalize("NFKC", person).strip().casefold()


def is_author(person: str, review: Review, version: ModelVersion | None) -> bool:
    """True for whoever made what a review is about.

    Of a version its author, whoever registered it, and the author of its run; of a pipeline version alone (`version` is
    None) the author of the run that it was taken from, and whoever asked for it.
    """
    names = {review.opened_by} if version is None else {version.author, version.created_by, version.run_author}
    if review.pipeline is not None:
        names.add(review.pipeline.author)
    return person_key(person) in {person_key(name) for name in names}

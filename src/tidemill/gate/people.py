"""Who may decide about a version: never somebody who made it."""

from __future__ import annotations

import unicodedata

from tidemill.registry import ModelVersion


def person_key(person: str) -> str:
    """A name as it is compared: two spellings of one name are one person."""
    return unicodedata.normalize("NFKC", person).strip().casefold()


def is_author(person: str, version: ModelVersion) -> bool:
    """True for the author of the version, whoever registered it, and the author of its run."""
    makers = {person_key(name) for name in (version.author, version.created_by, version.run_author)}
    return person_key(person) in makers

"""What a section of a project file is on the site, in the names of the file: the nouns of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tidemill.project.fields import Fields, Path
from tidemill.project.model import Project

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tidemill.access import Actor
    from tidemill.base.signing import SigningKey
    from tidemill.base.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSection:
    """The fields of a section that the site itself holds, over the same names twice.

    `desired` is what the declaration means there, defaults filled in; `actual` is what is there, None for nothing.
    `subject` says what it is (`service fuel`), `identity` is the field with its name. `owners` names the declared
    fields that decide a field, where it is not the one of that name alone.
    """

    subject: str
    identity: Path
    desired: Fields
    actual: Fields | None
    owners: Mapping[Path, tuple[Path, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What an apply makes of a section: `fields` are those of its `LiveSection`, with what the file does not own kept.

    `before` is the project as it was applied until now, `source` says what is being applied (`project fuel,
    generation 3`), `file` where it was applied from (`host:path`), "" when nobody said.
    """

    before: Project | None
    after: Project
    fields: Fields
    source: str
    file: str
    key: SigningKey


class Section(Protocol):
    """A section that something on the site follows."""

    def read(self, connection: Connection, namespace_id: str, project: Project) -> LiveSection | None:
        """What a project declares here and what is there; None when it declares nothing, or nothing is kept there."""
        ...

    def write(self, connection: Connection, site: Site, actor: Actor, target: Target) -> None:
        """Make it so, in the caller's transaction. Raises `InvalidInput` with the field, `Conflict`."""
        ...

"""What a source is: something outside of the site's events that is looked at now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidemill.base.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What a look found.

    `cursor` is JSON that the next look is given as `seen`. `key` names the change since, None for no change; the same
    change has the same key however often it is seen. `cause` are the facts of the change, as JSON.
    """

    cursor: dict[str, Any]
    key: str | None = None
    cause: Mapping[str, Any] = field(default_factory=dict)


class TriggerSource(Protocol):
    """Fires a trigger when something outside has changed; a plug-in adds one by an entry point of the group
    `tidemill.trigger_sources`, named like the kind."""

    def check(self, settings: Mapping[str, Any], *, place: str) -> dict[str, Any]:
        """The settings, complete; `InvalidInput` below `place` for one that is unknown, missing or wrong. No I/O."""
        ...

    def look(self, home: Home, settings: Mapping[str, Any], seen: Mapping[str, Any] | None) -> Sighting:
        """What is there now, compared with what was seen; without `seen` it is the first look, which has no key.

        Comes back within a minute or raises `Unavailable`; `InvalidInput` where somebody has to correct something.
        """
        ...

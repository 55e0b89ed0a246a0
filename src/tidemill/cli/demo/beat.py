"""The nouns of the story: a beat, and what it tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tidemill.cli.demo.shell import Shell


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What happened, a sentence or two with what was measured; the commands and the dashboard's page to look closer."""

    happened: str
    look: str
    page: str


Beat = Callable[[Shell, int], Told]
"""A part of the story: it gets the shell and the port that the site shall have."""

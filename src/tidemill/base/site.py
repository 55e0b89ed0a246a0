"""The site: what every verb of every slice needs, made once in `platform.py`."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.base.clock import Clock
from tidemill.base.database import Database
from tidemill.base.home import Home
from tidemill.base.ids import Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One installation: its home, its database, its clock and its source of ids."""

    home: Home
    database: Database
    clock: Clock
    ids: Ids

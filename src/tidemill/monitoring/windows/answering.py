"""Which revisions of a service answer requests now; only these can have an alert."""

from __future__ import annotations

from tidemill.serving import Revision, RevisionState

_SILENT = frozenset({RevisionState.STARTING, RevisionState.STANDBY, RevisionState.STOPPED, RevisionState.FAILED})


def answers(revision: Revision) -> bool:
    """True when the gateway sends it requests, whatever its share of them."""
    return revision.state not in _SILENT

"""The outputs of one run, as the registry and the gate ask for them."""

from __future__ import annotations

from tidemill.access import Actor, Role
from tidemill.artifacts import Artifact
from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site


class RunOutputs:
    """Looks up outputs of a run for a part of the site that acts for nobody."""

    def __init__(self, site: Site, namespace_id: str, run_id: str) -> None:
        self._site = site
        self._run_id = run_id
        self._reader = Actor(person="site", namespace_id=namespace_id, roles=frozenset({Role.VIEWER}))

    def artifact(self, reference: str) -> Artifact:
        """The artifact `task.output`; `NotFound` when the run has none, `InvalidInput` when it is no artifact."""
        from tidemill.engine import run_output

        found = run_output(self._site, self._reader, self._run_id, reference)
        if not isinstance(found, Artifact):
            raise InvalidInput("is a value, not an artifact", place=reference)
        return found

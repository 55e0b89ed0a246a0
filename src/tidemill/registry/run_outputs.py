"""The outputs of one run, as the registry and the gate ask for them."""

from __future__ import annotations

import math
from typing import Any

from tidemill.access import Actor, Role
from tidemill.artifacts import Artifact, artifact
from tidemill.base.errors import InvalidInput, NotFound
from tidemill.base.site import Site
from tidemill.engine import Task, TaskKind, list_tasks, run_output
from tidemill.engine.data_read import version_behind

METRICS_TYPE = "system.Metrics"


class RunOutputs:
    """Looks up outputs of a run for a part of the site that acts for nobody."""

    def __init__(self, site: Site, namespace_id: str, run_id: str) -> None:
        self._site = site
        self._run_id = run_id
        self._reader = Actor(person="site", namespace_id=namespace_id, roles=frozenset({Role.VIEWER}))

    def artifact(self, reference: str) -> Artifact:
        """The artifact `task.output`; `NotFound` when the run has none, `InvalidInput` when it is no artifact."""
        found = self.output(reference)
        if not isinstance(found, Artifact):
            raise InvalidInput("is not one artifact", place=reference, remedy="name an artifact as TASK.OUTPUT")
        return found

    def output(self, reference: str) -> Any:
        """The output `task.output`: an artifact, a list of them, or a parameter's value; `NotFound`."""
        return run_output(self._site, self._reader, self._run_id, reference)

    def task(self, reference: str) -> Task:
        """The task behind `task.output`, by its path or its name; `NotFound`."""
        path = reference.rpartition(".")[0]
        tasks = list_tasks(self._site, self._reader, self._run_id)
        for task in (*(one for one in tasks if one.path == path), *(one for one in tasks if one.name == path)):
            return task
        raise NotFound(f"the run has no task {path!r}", place=f"run {self._run_id}")

    def data_versions(self) -> dict[str, str]:
        """The dataset versions that the run's importers brought in, by path: what it read, not what somebody says."""
        found: dict[str, str] = {}
        imports = [
            artifact_id
            for task in list_tasks(self._site, self._reader, self._run_id)
            if task.kind is TaskKind.IMPORTER
            for ids in task.output_artifacts.values()
            for artifact_id in ids
        ]
        uris = [artifact(self._site, self._reader, one).uri for one in imports]
        with self._site.database.read() as connection:
            for uri in uris:
                found |= version_behind(connection, self._reader.namespace_id, uri)
        return found

    def metrics(self) -> dict[str, float]:
        """The finite numbers of the run's metrics artifacts by name; a name that two tasks report says its task."""
        found: dict[str, dict[str, float]] = {}
        for task in list_tasks(self._site, self._reader, self._run_id):
            for artifact_id in (one for ids in task.output_artifacts.values() for one in ids):
                made = artifact(self._site, self._reader, artifact_id)
                if made.type == METRICS_TYPE:
                    for name, value in numbers_of(made).items():
                        found.setdefault(name, {})[task.path] = value
        merged: dict[str, float] = {}
        for name, values in found.items():
            if len(set(values.values())) == 1:
                merged[name] = next(iter(values.values()))
            else:
                merged.update({f"{path}.{name}": value for path, value in values.items()})
        return merged


def numbers_of(metrics: Artifact) -> dict[str, float]:
    """The finite numbers in the metadata of a metrics artifact."""
    return {
        name: float(value)
        for name, value in metrics.metadata.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }

"""The outputs of one run, as the registry and the gate ask for them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tidemill.artifacts import Artifact
from tidemill.base.errors import Forbidden, InvalidInput
from tidemill.base.site import Site
from tidemill.engine import RecordedRun, Task, TaskKind, recorded_run
from tidemill.engine.data_read import version_behind
from tidemill.engine.outputs import output_of, task_named

METRICS_TYPE = "system.Metrics"


class RunOutputs:
    """The outputs of a run as the engine sealed them, for a part of the site that acts for nobody.

    Read once, at the first question; every question raises `Forbidden` when the record of the run was changed.
    """

    def __init__(self, site: Site, namespace_id: str, run_id: str) -> None:
        self._site = site
        self._namespace_id = namespace_id
        self._run_id = run_id
        self._read: RecordedRun | None = None

    @property
    def recorded(self) -> RecordedRun:
        """The run with its tasks; `NotFound`."""
        if self._read is None:
            self._read = recorded_run(self._site, self._namespace_id, self._run_id)
        return self._read

    def artifact(self, reference: str) -> Artifact:
        """The artifact `task.output`; `NotFound` when the run has none, `InvalidInput` when it is no artifact."""
        found = self.output(reference)
        if not isinstance(found, Artifact):
            raise InvalidInput("is not one artifact", place=reference, remedy="name an artifact as TASK.OUTPUT")
        return found

    def output(self, reference: str) -> Any:
        """The output `task.output`: an artifact, a list of them, or a parameter's value; `NotFound`."""
        recorded = self.recorded
        return output_of(recorded.tasks, reference, lambda one: recorded.artifacts[one], place=f"run {self._run_id}")

    def task(self, reference: str) -> Task:
        """The task behind `task.output`, by its path or its name; `NotFound`."""
        return task_named(self.recorded.tasks, reference.rpartition(".")[0])

    def data_versions(self) -> dict[str, str]:
        """The dataset versions that the run's importers brought in, by path: what it read, not what somebody says.

        `Forbidden` when the record of a version is another one than when the run was submitted.
        """
        found: dict[str, str] = {}
        with self._site.database.read() as connection:
            for one in self._imported():
                found |= version_behind(connection, self._namespace_id, one.uri, digest=one.digest)
        submitted = self.recorded.run.origin.get("data", {})
        for path in found:
            if submitted.get(path, found[path]) != found[path]:
                raise Forbidden(
                    f"the version of {path} is recorded as {found[path]} now, and was {submitted[path]}",
                    place=f"run {self._run_id}",
                    remedy="somebody changed the database: restore it from a backup, or run the pipeline again",
                )
        return found

    def unversioned(self) -> list[str]:
        """The importers, by path, that brought in something of which the site has no version."""
        with self._site.database.read() as connection:
            return [
                task.path
                for task in self.recorded.tasks
                for one in self._outputs_of(task)
                if task.kind is TaskKind.IMPORTER
                and not version_behind(connection, self._namespace_id, one.uri, digest=one.digest)
            ]

    def _imported(self) -> Iterator[Artifact]:
        for task in self.recorded.tasks:
            if task.kind is TaskKind.IMPORTER:
                yield from self._outputs_of(task)

    def _outputs_of(self, task: Task) -> Iterator[Artifact]:
        for ids in task.output_artifacts.values():
            for one in ids:
                yield self.recorded.artifacts[one]

    def metrics(self) -> dict[str, float]:
        """The finite numbers of the run's metrics artifacts by name; a name that two tasks report says its task."""
        found: dict[str, dict[str, float]] = {}
        for task in self.recorded.tasks:
            for made in self._outputs_of(task):
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

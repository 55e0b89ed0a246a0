"""What the steps of a compiled notebook are: cells, and what goes in and out."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.notebooks.model import CompiledNotebook


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookStep:
    """One step as a reader sees it.

    `takes` names for each variable the step that makes it, `gives` what later steps take or a run keeps, `after` the
    steps that it waits for without taking a variable from them.
    """

    name: str
    task: str
    cells: tuple[int, ...]
    takes: dict[str, str]
    gives: tuple[str, ...]
    parameters: tuple[str, ...]
    files: tuple[str, ...]
    after: tuple[str, ...]


def steps_of(compiled: CompiledNotebook) -> tuple[NotebookStep, ...]:
    """The steps in the notebook's order."""
    return tuple(_step(compiled, task) for task in compiled.source_map)


def _step(compiled: CompiledNotebook, name: str) -> NotebookStep:
    tasks = compiled.spec["root"]["dag"]["tasks"]
    names = {task: tasks[task]["taskInfo"]["name"] for task in compiled.source_map}
    task = tasks[name]
    given = task.get("inputs", {}).get("parameters", {})
    takes: dict[str, str] = {}
    for binding in task.get("inputs", {}).get("artifacts", {}).values():
        output = binding["taskOutputArtifact"]
        if output["producerTask"] in names:  # the others are importers of data files
            takes[output["outputArtifactKey"]] = names[output["producerTask"]]  # an output is called as its variable
    outputs = compiled.spec["components"][f"comp-{name}"].get("outputDefinitions", {}).get("artifacts", {})
    waits = {names[other] for other in task.get("dependentTasks", ()) if other in names}
    return NotebookStep(
        name=names[name],
        task=name,
        cells=compiled.source_map[name],
        takes=dict(sorted(takes.items())),
        gives=tuple(sorted(outputs)),
        parameters=tuple(sorted(binding["componentInputParameter"] for binding in given.values())),
        files=compiled.files.get(name, ()),
        after=tuple(sorted(waits - set(takes.values()))),
    )

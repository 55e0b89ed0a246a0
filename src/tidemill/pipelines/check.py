"""Check what the fields of a spec mean together: references, cycles, required inputs, types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tidemill.pipelines.conditions import check_condition, condition_inputs
from tidemill.pipelines.documents import Spot
from tidemill.pipelines.interfaces import KINDS
from tidemill.pipelines.levels import arrange
from tidemill.pipelines.model import (
    ArtifactSpec,
    Component,
    Dag,
    FinalStatus,
    FromInput,
    FromTask,
    OutputSource,
    ParameterSpec,
    ParameterType,
    TaskSpec,
)
from tidemill.pipelines.schema import nearest

T = TypeVar("T")

MAX_NESTING = 100
NUMBERS = frozenset({ParameterType.NUMBER_DOUBLE, ParameterType.NUMBER_INTEGER})
OBJECTS = frozenset({ParameterType.STRUCT, ParameterType.TASK_FINAL_STATUS, ParameterType.TASK_CONFIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Checks DAGs against the components they use."""

    components: Mapping[str, Component]

    def check(self, component: Component, spot: Spot) -> None:
        """Raise `InvalidInput` at the first thing that is wrong in a component's DAG."""
        dag = component.dag
        if dag is None:
            return
        for task in dag.tasks.values():
            self._task(task, dag, component, spot.at("dag", "tasks", task.name))
        arrange({name: task.depends_on for name, task in dag.tasks.items()}, spot.at("dag", "tasks"))
        self._outputs(dag, component, spot.at("dag", "outputs"))

    def _task(self, task: TaskSpec, dag: Dag, component: Component, spot: Spot) -> None:
        for upstream in task.depends_on:
            if upstream not in dag.tasks:
                raise spot.problem(
                    f"depends on the task {upstream!r}, which is not there", nearest(upstream, dag.tasks)
                )
        used = self.components[task.component]
        item = task.iterator.item_input if task.iterator else None
        self._required(task, used, item, spot)
        for name, binding in task.parameters.items():
            here = spot.at("inputs", "parameters", name)
            given = None
            if isinstance(binding, FromInput):
                given = _known(
                    binding.name,
                    component.inputs.parameters,
                    "the pipeline or component around it has no input parameter",
                    here,
                )
            elif isinstance(binding, FromTask):
                given = self._output_parameter(binding, dag, here)
            wanted = used.inputs.parameters.get(name)
            if given is not None and wanted is not None and not binding.selector:
                _same_parameter(given, wanted, here)
            if isinstance(binding, FinalStatus) and wanted is not None and wanted.type not in OBJECTS:
                raise here.problem(f"takes {KINDS[wanted.type]}, and a task's final status is an object")
        for name, source in task.artifacts.items():
            self._artifact(name, source, dag, component, used, spot.at("inputs", "artifacts", name))
        self._iterator(task, used, spot)
        self._condition(task, used, spot)

    def _required(self, task: TaskSpec, used: Component, item: str | None, spot: Spot) -> None:
        for name, parameter in used.inputs.parameters.items():
            if parameter.required and name not in task.parameters and name != item:
                raise spot.at("inputs").problem(f"the parameter {name!r} of {used.name} is required and missing")
        for name, artifact in used.inputs.artifacts.items():
            if not artifact.optional and name not in task.artifacts and name != item:
                raise spot.at("inputs").problem(f"the artifact {name!r} of {used.name} is required and missing")

    def _output_parameter(self, source: FromTask, dag: Dag, spot: Spot) -> ParameterSpec | None:
        task = dag.tasks[source.task]
        outputs = self.components[task.component].outputs.parameters
        given = _known(source.output, outputs, f"the task {source.task!r} has no output parameter", spot)
        # What an iterator gives back is a list of these, which not every compiler declares as a list.
        return None if task.iterator else given

    def _artifact(
        self, name: str, source: FromInput | FromTask, dag: Dag, component: Component, used: Component, spot: Spot
    ) -> None:
        given: ArtifactSpec | None
        if isinstance(source, FromInput):
            given = _known(
                source.name,
                component.inputs.artifacts,
                "the pipeline or component around it has no input artifact",
                spot,
            )
        else:
            given = self._output_artifact(source, dag, spot)
        wanted = used.inputs.artifacts.get(name)
        if given is not None and wanted is not None:
            _same_artifact(given, wanted, spot)

    def _output_artifact(self, source: FromTask, dag: Dag, spot: Spot) -> ArtifactSpec | None:
        task = dag.tasks[source.task]
        outputs = self.components[task.component].outputs.artifacts
        given = _known(source.output, outputs, f"the task {source.task!r} has no output artifact", spot)
        return None if task.iterator else given

    def _iterator(self, task: TaskSpec, used: Component, spot: Spot) -> None:
        iterator = task.iterator
        if iterator is None:
            return
        here = spot.at("artifactIterator" if iterator.of_artifacts else "parameterIterator")
        inputs: Iterable[str] = used.inputs.artifacts if iterator.of_artifacts else used.inputs.parameters
        if iterator.item_input not in inputs:
            raise here.at("itemInput").problem(
                f"{used.name} has no input {iterator.item_input!r}", nearest(iterator.item_input, inputs)
            )
        bound: Iterable[str] = task.artifacts if iterator.of_artifacts else task.parameters
        if iterator.items_input is not None and iterator.items_input not in bound:
            raise here.at("items").problem(
                f"the task has no input {iterator.items_input!r}", nearest(iterator.items_input, bound)
            )

    def _condition(self, task: TaskSpec, used: Component, spot: Spot) -> None:
        if task.condition is None:
            return
        here = spot.at("triggerPolicy", "condition")
        check_condition(task.condition, place=here.place)
        known = {**used.inputs.parameters, **task.parameters}
        for name in condition_inputs(task.condition):
            if name not in known:
                raise here.problem(f"the task has no input parameter {name!r}", nearest(name, known))

    def _outputs(self, dag: Dag, component: Component, spot: Spot) -> None:
        for name, source in dag.parameter_outputs.items():
            here = spot.at("parameters", name)
            wanted = _known(name, component.outputs.parameters, "the component declares no output parameter", here)
            for candidate in _existing(source, dag, here):
                given = self._output_parameter(candidate, dag, here)
                # kfp declares what a loop gives back as the list that its consumers see.
                if given is not None and wanted.type is not ParameterType.LIST:
                    _same_parameter(given, wanted, here)
        for name, source in dag.artifact_outputs.items():
            here = spot.at("artifacts", name)
            declared = _known(name, component.outputs.artifacts, "the component declares no output artifact", here)
            for candidate in _existing(source, dag, here):
                made = self._output_artifact(candidate, dag, here)
                if made is not None and not declared.is_list:
                    _same_artifact(made, declared, here)
        for kind, names, made_by in (
            ("parameter", component.outputs.parameters, dag.parameter_outputs),
            ("artifact", component.outputs.artifacts, dag.artifact_outputs),
        ):
            for name in names:
                if name not in made_by:
                    raise spot.problem(f"the output {kind} {name!r} is declared, and no task makes it")


def check_nesting(components: Mapping[str, Component], root: Component, spot: Spot) -> None:
    """Raise `InvalidInput` when a component contains itself."""
    uses = {
        name: tuple(dict.fromkeys(task.component for task in component.dag.tasks.values())) if component.dag else ()
        for name, component in components.items()
    }
    levels = arrange(uses, spot.at("components"), what="the components contain themselves")
    if len(levels) > MAX_NESTING:
        raise spot.at("components").problem(f"are nested deeper than {MAX_NESTING} pipelines in pipelines")
    if root.dag is None:
        raise spot.at("root").problem("has no DAG", "give it a dag with at least one task")


def _existing(source: OutputSource, dag: Dag, spot: Spot) -> Iterable[FromTask]:
    for candidate in source.candidates:
        if candidate.task not in dag.tasks:
            raise spot.problem(
                f"comes from the task {candidate.task!r}, which is not there", nearest(candidate.task, dag.tasks)
            )
        yield candidate


def _known(name: str, known: Mapping[str, T], what: str, spot: Spot) -> T:
    if name not in known:
        raise spot.problem(f"{what} {name!r}", nearest(name, known))
    return known[name]


def _same_parameter(given: ParameterSpec, wanted: ParameterSpec, spot: Spot) -> None:
    kinds = {given.type, wanted.type}
    if len(kinds) == 1 or kinds <= NUMBERS or kinds <= OBJECTS:
        return
    raise spot.problem(f"takes a {wanted.type}, and gets a {given.type}")


def _same_artifact(given: ArtifactSpec, wanted: ArtifactSpec, spot: Spot) -> None:
    titles = {given.schema_title, wanted.schema_title}
    if len(titles) == 2 and "system.Artifact" not in titles and all(re.match(r"system\.", title) for title in titles):
        raise spot.problem(f"takes a {wanted.schema_title}, and gets a {given.schema_title}")
    if given.is_list and not wanted.is_list:
        raise spot.problem(f"takes one {wanted.schema_title}, and gets a list")
    if wanted.is_list and not given.is_list:
        raise spot.problem(f"takes a list of {wanted.schema_title}, and gets one")

"""Which step gives which variable to which: inputs, outputs, repeated imports and settings of every step."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.facts import Facts, Spot
from tidemill.notebooks.flow import FlowRecorder, Outside, Use
from tidemill.notebooks.graph import StepGraph
from tidemill.notebooks.outline import Outline, Step
from tidemill.notebooks.parameters import Parameter
from tidemill.notebooks.producers import Producers
from tidemill.notebooks.settings import Setting
from tidemill.notebooks.undefined import undefined_name
from tidemill.notebooks.walk import ImportBinding, Walked, walk

PROVIDED = frozenset(dir(builtins)) | {
    "display", "get_ipython", "__name__", "__doc__", "__builtins__", "__package__", "__spec__", "__loader__",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class StepFlow:
    """A step with what it takes and gives. `inputs` name the step that makes each variable."""

    step: Step
    walked: Walked
    inputs: dict[str, str] = field(default_factory=dict)
    parameters: set[str] = field(default_factory=set)
    imports: list[ImportBinding] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    outputs: set[str] = field(default_factory=set)

    @property
    def recorder(self) -> FlowRecorder:
        """The effects of the step's own code on names."""
        return self.walked.recorder


class Analysis:
    """The data flow of an outlined notebook; `flows` by step name, in an order that can run."""

    def __init__(self, outline: Outline, parameters: dict[str, Parameter], prelude: Walked) -> None:
        self.outline = outline
        self.parameters = parameters
        self.prelude = prelude
        self.graph = StepGraph(outline)
        self.flows: dict[str, StepFlow] = {}
        self.producers = Producers(outline, self.graph, prelude)
        for step in self.graph.order:
            self._step(step)

    # --- one step

    def _step(self, step: Step) -> None:
        outside = Outside(
            facts_of=lambda name: self._facts_before(step, name),
            linked_to=lambda name: self._links_before(step, name),
            is_import=lambda name: self._imported_before(step, name),
            comes_from_a_step=lambda name: self.producers.find(step, name) is not None,
            is_window=lambda name: self._is_window_before(step, name),
        )
        recorder = FlowRecorder(outside)
        for name in step.tags.needs:
            recorder.use(name, Spot(cell=step.numbers[0], line=1), called=False)
        walked = walk(step.cells, recorder, self.outline.notebook, future=self.prelude.future_annotations)
        for name in step.tags.provides:
            if name not in recorder.defined and name not in recorder.mutated:
                recorder.define(name, Spot(cell=step.numbers[-1], line=1), None)
        flow = StepFlow(step=step, walked=walked)
        self.flows[step.name] = flow
        for name, use in sorted(recorder.uses.items(), key=lambda item: (item[1].spot, item[0])):
            self._take(flow, name, use)
        self._follow_carried(flow)
        self.producers.add(step.name, walked)

    def _facts_before(self, step: Step, name: str) -> Facts | None:
        producer = self.producers.find(step, name)
        if producer is not None:
            return self.flows[producer].recorder.facts_of(name)  # a step that only changes it knows from where it came
        return self.prelude.recorder.path.facts.get(name)

    def _links_before(self, step: Step, name: str) -> dict[str, bool]:
        producer = self.producers.find(step, name)
        links = self.flows[producer].recorder.links.get(name, {}) if producer else {}
        return {other: part for other, part in links.items() if self.producers.find(step, other) == producer}

    def _imported_before(self, step: Step, name: str) -> bool:
        producer = self.producers.find(step, name)
        if producer is not None:
            return name in self.flows[producer].recorder.imported
        return name in self.prelude.recorder.imported

    def _is_window_before(self, step: Step, name: str) -> bool:
        producer = self.producers.find(step, name)
        return name in (self.flows[producer] if producer is not None else self.prelude).recorder.windows

    # --- where a name comes from

    def _take(self, flow: StepFlow, name: str, use: Use) -> None:
        producer = self.producers.find(flow.step, name, use.spot, warn=True)
        if producer is not None:
            self._take_from(flow, name, producer, use)
        elif name in self.parameters:
            flow.parameters.add(name)
        elif not self._is_known(flow, name, use):
            raise undefined_name(self, flow, name, use)

    def _take_from(self, flow: StepFlow, name: str, producer: str, use: Use) -> None:
        source = self.flows[producer]
        if name in source.recorder.path.gone:
            if use.hard:
                raise undefined_name(self, flow, name, use)
            return
        binding = source.walked.binding_of(name) if name in source.recorder.imported else None
        if binding is None and name in source.recorder.imported:
            binding = next((b for b in source.imports if name in b.names), None)
        if binding is not None:
            if binding not in flow.imports:
                flow.imports.append(binding)
            return
        if name in source.walked.opened and use.hard:
            self._refuse_unportable(flow, name, source, use)
        flow.inputs[name] = producer
        self.graph.add(flow.step.name, producer)
        self.give(producer, name)

    def _refuse_unportable(self, flow: StepFlow, name: str, source: StepFlow, use: Use) -> None:
        opened = source.walked.opened[name]
        raise InvalidInput(
            f"`{name}` is an open handle or a generator, made in "
            f"{self.outline.notebook.place(opened.cell, opened.line)} "
            f"(step {source.step.name}); it cannot go to another process",
            place=self.outline.notebook.place(use.spot.cell, use.spot.line),
            remedy=f"open it in the step {flow.step.name} too, or keep both cells in one step",
        )

    def give(self, producer: str, name: str) -> None:
        """A variable becomes an output; a step that only may bind it passes on what it was given."""
        source = self.flows[producer]
        source.outputs.add(name)
        if name in source.recorder.path.bound or name in source.inputs:
            return
        upstream = self.producers.find(source.step, name)
        spot = source.recorder.defined.get(name) or Spot(cell=source.step.numbers[0], line=1)
        if upstream is not None and name not in source.recorder.imported:
            self._take_from(source, name, upstream, Use(spot=spot, hard=False))
        elif name in self.parameters:
            source.parameters.add(name)

    def _is_known(self, flow: StepFlow, name: str, use: Use) -> bool:
        if name in self.prelude.recorder.defined or name in PROVIDED:
            return True
        return not use.hard and (self.producers.is_defined_anywhere(name) or name in flow.recorder.forgiven)

    def _follow_carried(self, flow: StepFlow) -> None:
        """An object that may hold functions brings their globals as they were; newer ones are taken beside it."""
        for name, producer in list(flow.inputs.items()):
            source = self.flows[producer]
            facts = source.recorder.facts_of(name)
            if facts is None or not facts.is_value:
                continue
            for late, spot in facts.late.items():
                now = self.producers.find(flow.step, late)
                then = producer if self.producers.leaves(producer, late) else self.producers.find(source.step, late)
                if now is not None and now != then and late not in flow.recorder.path.bound:
                    self._take_from(flow, late, now, Use(spot=spot, hard=False))

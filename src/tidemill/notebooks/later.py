"""What later steps do with the variables that a step has before it: what its runtime has to watch for them."""

from __future__ import annotations

from typing import Any

from tidemill.notebooks.analysis import Analysis, StepFlow


def watched_for_later(analysis: Analysis, flow: StepFlow) -> dict[str, Any]:
    """The parts of a step's program that say what later steps rely on; see `tidemill_runtime.step.program`."""
    here = analysis.graph.index(flow.step.name)
    flows = sorted(analysis.flows.values(), key=lambda other: analysis.graph.index(other.step.name))
    after = [other for other in flows if analysis.graph.index(other.step.name) > here]
    made_before = {
        (name, producer)
        for other in after
        for name, producer in other.inputs.items()
        if producer != flow.step.name and analysis.graph.index(producer) < here
    }
    made: dict[str, Any] = {
        "watched": sorted(name for name, producer in flow.inputs.items() if (name, producer) in made_before),
        "later": sorted(f"{name}@{producer}" for name, producer in made_before),
        "kept": sorted(_kept(analysis, flow, after)),
        "changes": {f"{n}@{p}": found for n, p in sorted(made_before) if (found := _change(flow, after, n, p))},
    }
    return {key: value for key, value in made.items() if value or key == "watched"}


def _kept(analysis: Analysis, flow: StepFlow, after: list[StepFlow]) -> set[str]:
    """Names of the prelude that later steps use as each of them makes it."""
    recorder = analysis.prelude.recorder
    own = set(recorder.defined) - recorder.imported - flow.outputs
    return {name for other in after for name in other.recorder.uses if name in own and name not in other.inputs}


def _change(flow: StepFlow, after: list[StepFlow], name: str, producer: str) -> dict[str, Any] | None:
    """The first later step that changes a variable in place, where outputs of this step are used after it."""
    for number, other in enumerate(after):
        mutation = other.recorder.mutated.get(name)
        if mutation is None or other.inputs.get(name) != producer:
            continue
        stale = {
            output
            for output in flow.outputs
            if output not in other.inputs
            and any(last.inputs.get(output) == flow.step.name for last in after[number + 1 :])
        }
        if stale:
            return {
                "step": other.step.name, "cell": mutation.spot.cell, "line": mutation.spot.line,
                "sure": mutation.surely, "stale": sorted(stale),
            }  # fmt: skip
    return None

"""What the inputs and outputs of a step are called on the wire."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.notebooks.analysis import StepFlow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """The ports of a step; all have different names, as `kfp` asks of the arguments of one function.

    An output is called as its variable is. `artifacts` and `parameters` are the input ports by the variable that they
    bring. The others are outputs and inputs that are no variables; None when the step has none of the kind.
    """

    artifacts: dict[str, str]
    parameters: dict[str, str]
    report: str | None
    metrics: str | None
    random_input: str | None
    random_output: str | None


def wire(flow: StepFlow, chain: dict[str, str]) -> Wiring:
    """The ports of a step; `chain` has, by step, the one whose random state it goes on with."""
    step = flow.step
    taken = flow.outputs | set(flow.inputs) | flow.parameters

    def own(name: str) -> str:
        while name in taken:
            name = f"notebook_{name}"
        return name

    report = own("report") if step.tags.options.get("report", True) else None
    metrics = own("metrics") if step.metric_cells else None
    random_output = own("random_state") if step.name in chain.values() else None
    used = flow.outputs | {name for name in (report, metrics, random_output) if name}

    def port(variable: str) -> str:
        name = variable
        while name in used or (name != variable and name in taken):
            name += "_in"
        used.add(name)
        return name

    return Wiring(
        artifacts={variable: port(variable) for variable in sorted(flow.inputs)},
        parameters={variable: port(variable) for variable in sorted(flow.parameters)},
        report=report,
        metrics=metrics,
        random_input=port(own("random_state")) if step.name in chain else None,
        random_output=random_output,
    )

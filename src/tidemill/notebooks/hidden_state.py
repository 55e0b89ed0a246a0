"""State that is no variable: process settings, reflection, files; repeated in later steps, or warned of."""

from __future__ import annotations

import ast

from tidemill.notebooks.analysis import Analysis, StepFlow
from tidemill.notebooks.facts import Spot
from tidemill.notebooks.out_of_sight import out_of_sight, warn_of_caches
from tidemill.notebooks.prelude import prelude_parameters
from tidemill.notebooks.settings import Setting
from tidemill.notebooks.word_list import words

WRITERS = words(
    """
    to_csv to_parquet to_json to_excel to_pickle to_feather to_hdf to_sql dump save savez savetxt save_model write_text
    write_bytes savefig imwrite save_pretrained write_csv write_parquet
    """
)


def settle_hidden_state(analysis: Analysis) -> None:
    """Give every step the parameters of the prelude and the settings of the steps above; warn of the rest."""
    for flow in analysis.flows.values():
        flow.parameters |= set(prelude_parameters(analysis.prelude, analysis.parameters))
    for flow in analysis.flows.values():
        _warn_of_reflection(analysis, flow)
        for setting in flow.walked.settings:
            _repeat(analysis, flow, setting)
        for name, spot in flow.recorder.patched.items():
            if not any(setting.spot.cell == spot.cell for setting in flow.walked.settings):
                what = f"the module `{name}` is changed here"
                if any(name in other.recorder.windows for other in analysis.flows.values()):
                    what = f"`{name}`, a part of a module, is changed here"
                _warn_later(analysis, flow, what, spot)
        for name, other, spot in flow.recorder.torn:
            makers = [later.inputs[other] for later in _later(analysis, flow) if other in later.inputs]
            if not makers:
                continue
            made = analysis.flows[makers[0]].step.numbers[0]
            analysis.outline.warn(
                f"`{name}` and `{other}`, made in another step, may share an object: this change to `{name}` does not "
                f"reach `{other}`; keep both in one step",
                spot.cell, spot.line, (made, spot.cell),
            )  # fmt: skip
        _warn_of_figures(analysis, flow)
        for what, spot in out_of_sight(analysis, flow):
            _warn_later(analysis, flow, what, spot)
    _warn_of_files(analysis)
    warn_of_caches(analysis)


def _later(analysis: Analysis, flow: StepFlow) -> list[StepFlow]:
    index = analysis.graph.index
    return [other for other in analysis.flows.values() if index(other.step.name) > index(flow.step.name)]


def _repeat(analysis: Analysis, flow: StepFlow, setting: Setting) -> None:
    others = _later(analysis, flow)
    if setting.variables and others:
        names = ", ".join(f"`{name}`" for name in setting.variables)
        _warn_later(analysis, flow, f"this setting of the process depends on {names}", setting.spot)
        return
    for other in others:
        other.settings.append(setting)
        for module in setting.modules:
            if module not in other.recorder.uses and not analysis.prelude.recorder.holds_import(module):
                binding = flow.walked.binding_of(module) or next((b for b in flow.imports if module in b.names), None)
                if binding is not None and binding not in other.imports:
                    other.imports.append(binding)


def _warn_later(analysis: Analysis, flow: StepFlow, what: str, spot: Spot) -> None:
    others = _later(analysis, flow)
    if others:
        names = ", ".join(f"{other.step.name} (cell {other.step.numbers[0]})" for other in others)
        analysis.outline.warn(
            f"{what}; later steps run without it: {names}",
            spot.cell,
            spot.line,
            (spot.cell, max(other.step.numbers[-1] for other in others)),
        )


def _warn_of_figures(analysis: Analysis, flow: StepFlow) -> None:
    """A figure and its axes come apart on the way to another process: each variable brings a copy of both."""
    for name, producer in sorted(flow.inputs.items()):
        made = analysis.flows[producer].walked.figures.get(name)
        use = flow.recorder.uses.get(name)
        if made is not None and use is not None:
            analysis.outline.warn(
                f"`{name}` is a figure made in cell {made.cell} (step {producer}); drawn in two steps it comes apart: "
                "keep its cells in one step", use.spot.cell, use.spot.line, (made.cell, use.spot.cell),
            )  # fmt: skip


def _warn_of_reflection(analysis: Analysis, flow: StepFlow) -> None:
    numbers = [number for step in analysis.outline.steps for number in step.numbers]
    everything = (min(numbers), max(numbers))
    for name, spot in flow.walked.reflection:
        if not flow.step.tags.needs and not flow.step.tags.provides:
            analysis.outline.warn(
                f"{name}() can reach names that the analysis does not see; add needs: and provides: tags",
                spot.cell, spot.line, everything,
            )  # fmt: skip


def _warn_of_files(analysis: Analysis) -> None:
    """A file written in one step and named in another may not be there: steps do not share a folder."""
    written: dict[str, tuple[str, Spot]] = {}
    for step in analysis.outline.steps:
        for prepared in step.cells:
            for node in ast.walk(prepared.tree):
                for text in _written(node):
                    written.setdefault(
                        text, (step.name, Spot(cell=prepared.cell.number, line=getattr(node, "lineno", 1)))
                    )
    for step in analysis.outline.steps:
        for prepared in step.cells:
            for node in ast.walk(prepared.tree):
                if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in written):
                    continue
                other, spot = written[node.value]
                if other != step.name:
                    analysis.outline.warn(
                        f"the file {node.value!r} is written by the step {other} (cell {spot.cell}); "
                        "steps share variables, not files",
                        prepared.cell.number, node.lineno, (spot.cell, prepared.cell.number),
                    )  # fmt: skip


def _written(node: ast.AST) -> list[str]:
    if not isinstance(node, ast.Call):
        return []
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if name == "open" and len(texts) > 1 and set(texts[1]) & set("wax"):
        return texts[:1]
    return texts[:1] if name in WRITERS else []

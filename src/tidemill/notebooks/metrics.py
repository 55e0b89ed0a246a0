"""Which numbers a `pipeline-metrics` cell names."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tidemill.notebooks.facts import Facts
from tidemill.notebooks.outline import Step

if TYPE_CHECKING:
    from tidemill.notebooks.analysis import Analysis


def metric_names(step: Step, facts: Mapping[str, Facts], analysis: Analysis) -> list[str]:
    """Names that metric cells assign, print or show; the runtime records those that hold numbers.

    What is only called, imported or a parameter is no metric.
    """
    found: set[str] = set()
    for prepared in step.cells:
        if prepared.cell.number not in step.metric_cells:
            continue
        called = {id(node.func) for node in ast.walk(prepared.tree) if isinstance(node, ast.Call)}
        printed = _inside_other_calls(prepared.tree)
        for node in ast.walk(prepared.tree):
            if isinstance(node, ast.Name) and id(node) not in called and id(node) not in printed:
                found.add(node.id)
    return sorted(
        name
        for name in found
        if name not in analysis.parameters
        and (name not in facts or facts[name].is_value)  # what a call of a function with facts gave may be a number
        and not analysis.prelude.recorder.holds_import(name)
    )


def _inside_other_calls(tree: ast.AST) -> set[int]:
    """Names that are arguments of calls other than `print`, `display`, `round`, `float`: they feed a metric only."""
    inside: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name) and node.func.id in ("print", "display", "round", "float", "abs")
            plain |= isinstance(node.func, ast.Attribute) and node.func.attr == "format"
            if not plain:
                inside |= {id(part) for part in ast.walk(node) if isinstance(part, ast.Name)}
    return inside

"""A guess at what a variable is, for the artifact's type; the codec is chosen at run time whatever the guess."""

from __future__ import annotations

import ast

from tidemill.notebooks.outline import Step

MODEL, DATASET, ARTIFACT = "system.Model", "system.Dataset", "system.Artifact"
_MAKES_DATA = ("read_", "DataFrame", "Series", "concat", "merge", "get_dummies")
_KEEPS_DATA = (
    "dropna",
    "assign",
    "copy",
    "reset_index",
    "drop",
    "fillna",
    "query",
    "rename",
    "sort_values",
    "astype",
    "merge",
)


def artifact_types(step: Step) -> dict[str, str]:
    """`system.Model` for what is fitted, `system.Dataset` for frames, by name; what is missing is a plain artifact."""
    found: dict[str, str] = {}
    for prepared in step.cells:
        for node in ast.walk(prepared.tree):
            if isinstance(node, ast.Assign):
                kind = _kind(node.value, found)
                for target in node.targets:
                    if isinstance(target, ast.Name) and kind:
                        found[target.id] = kind
            fitted = node.func if isinstance(node, ast.Call) else None
            if isinstance(fitted, ast.Attribute) and fitted.attr == "fit" and isinstance(fitted.value, ast.Name):
                found[fitted.value.id] = MODEL
    return found


def _kind(value: ast.expr, found: dict[str, str]) -> str | None:
    if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
        return None
    method, base = value.func.attr, value.func.value
    if method == "fit":
        return MODEL
    if isinstance(base, ast.Name) and base.id in ("pd", "pandas", "pl", "polars") and method.startswith(_MAKES_DATA):
        return DATASET
    if method in _KEEPS_DATA and (_is_data(base, found) or _kind(base, found) == DATASET):
        return DATASET
    return None


def _is_data(base: ast.expr, found: dict[str, str]) -> bool:
    while isinstance(base, ast.Subscript | ast.Attribute):
        base = base.value
    return isinstance(base, ast.Name) and found.get(base.id) == DATASET

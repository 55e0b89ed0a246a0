"""Effects that no variable and no plain statement shows: settings inside blocks and functions, caches of functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tidemill.notebooks.analysis import Analysis, StepFlow
from tidemill.notebooks.facts import Spot
from tidemill.notebooks.magics import PreparedCell
from tidemill.notebooks.mutation import method_changes
from tidemill.notebooks.settings import OF_LOGGERS, is_setter, setting_of

_DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
_FOR_A_WHILE = frozenset(
    {
        "catch_warnings",
        "option_context",
        "rc_context",
        "context",
        "errstate",
        "printoptions",
        "config_context",
        "localcontext",
        "axes_style",
        "plotting_context",
    }
)
"""Context managers that take a setting back at the end of their block."""


def out_of_sight(analysis: Analysis, flow: StepFlow) -> Iterator[tuple[str, Spot]]:
    """Settings of the process that a step makes and later steps cannot repeat: what they are, and where."""
    functions, loggers, is_import = _setting_functions(analysis), _loggers(analysis), _Imports(analysis)
    for prepared in flow.step.cells:
        for statement in prepared.tree.body:
            if isinstance(statement, _DEFINITIONS) or setting_of(statement, prepared, is_import=is_import):
                continue
            for node in _nodes(statement):
                spot = Spot(cell=prepared.cell.number, line=getattr(node, "lineno", 1))
                if isinstance(node, ast.stmt) and node is not statement and is_setter(node, is_import):
                    yield "a setting of the process inside a block", spot
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Name) and called.id in functions:
                    yield f"`{called.id}` makes settings of the process", spot
                if (
                    isinstance(called, ast.Attribute)
                    and called.attr in OF_LOGGERS
                    and isinstance(called.value, ast.Name)
                    and called.value.id in loggers
                ):
                    yield f"the logger `{called.value.id}` is set up here", spot


class _Imports:
    """Whether any cell imports a name."""

    def __init__(self, analysis: Analysis) -> None:
        self._names = set(analysis.prelude.recorder.imported)
        for flow in analysis.flows.values():
            self._names |= flow.recorder.imported

    def __call__(self, name: str) -> bool:
        return name in self._names


def _nodes(statement: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is in it, without what runs later and what is taken back at once."""
    if isinstance(statement, ast.With) and _is_for_a_while(statement):
        return
    yield statement
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, _DEFINITIONS):
            yield from _nodes(child)


def _is_for_a_while(block: ast.With) -> bool:
    return any(
        isinstance(item.context_expr, ast.Call) and _last_name(item.context_expr.func) in _FOR_A_WHILE
        for item in block.items
    )


def _cells(analysis: Analysis) -> list[PreparedCell]:
    outline = analysis.outline
    return [*outline.prelude, *(cell for step in outline.steps for cell in step.cells)]


def _setting_functions(analysis: Analysis) -> set[str]:
    """Functions of the notebook that make settings, also by calling each other."""
    bodies = {
        node.name: node
        for prepared in _cells(analysis)
        for node in prepared.tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    is_import = _Imports(analysis)
    found: set[str] = set()
    while True:
        more = {
            name
            for name, body in bodies.items()
            if name not in found
            and any(
                (isinstance(node, ast.stmt) and is_setter(node, is_import))
                or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in found)
                for statement in body.body
                for node in _nodes(statement)
            )
        }
        if not more:
            return found
        found |= more


def _loggers(analysis: Analysis) -> set[str]:
    """Variables that hold a logger."""
    return {
        target.id
        for prepared in _cells(analysis)
        for node in prepared.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if _last_name(node.value.func) == "getLogger"
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def warn_of_caches(analysis: Analysis) -> None:
    """A function with a cache that does more than it gives: in another step it is empty, and it does it again."""
    for prepared in _cells(analysis):
        for node in prepared.tree.body:
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not any(_last_name(decorator) in ("lru_cache", "cache") for decorator in node.decorator_list):
                continue
            users = [flow for flow in analysis.flows.values() if node.name in flow.recorder.uses or _calls(flow, node)]
            effects = _effects(analysis, prepared, node.name)
            if effects and len(users) > 1:
                spot = users[1].recorder.uses.get(node.name) or users[0].recorder.uses[node.name]
                analysis.outline.warn(
                    f"what `{node.name}` has in its cache does not go to other steps: it runs again there, and changes "
                    f"`{effects[0]}` again; keep these cells in one step",
                    spot.spot.cell, spot.spot.line, (users[0].step.numbers[0], spot.spot.cell),
                )  # fmt: skip


def _calls(flow: StepFlow, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for the step that makes a function and calls it, too."""
    return function.name in flow.recorder.defined and any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == function.name
        for prepared in flow.step.cells
        for node in ast.walk(prepared.tree)
    )


def _effects(analysis: Analysis, prepared: PreparedCell, name: str) -> list[str]:
    """The variables that a function changes."""
    recorders = [analysis.prelude.recorder, *(flow.recorder for flow in analysis.flows.values())]
    for recorder in recorders:
        facts = recorder.path.facts.get(name)
        if facts is not None:
            changed = [one.name for one in facts.method_calls if method_changes(one.method, inplace=one.inplace)]
            return sorted({*facts.writes, *facts.mutates, *changed} - recorder.imported)
    return []


def _last_name(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")

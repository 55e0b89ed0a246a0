"""Walking the cells of a step in order: its effects on names, its imports and its process settings."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidemill.notebooks.facts import Spot
from tidemill.notebooks.flow import FlowRecorder
from tidemill.notebooks.magics import PreparedCell
from tidemill.notebooks.model import Notebook
from tidemill.notebooks.scope import bound_by_import
from tidemill.notebooks.settings import Setting, setting_of
from tidemill.notebooks.visitor import CellVisitor

FIGURE_MAKERS = frozenset({"subplots", "figure", "gca", "gcf", "add_subplot", "subplot"})
REFLECTION = frozenset({"eval", "exec", "globals", "locals", "vars"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportBinding:
    """An import statement of a step's top level: later steps repeat it instead of taking modules as values."""

    names: tuple[str, ...]
    source: str
    spot: Spot


@dataclass(slots=True, kw_only=True)
class Walked:
    """What walking some cells found; `recorder` has the effects on names."""

    recorder: FlowRecorder
    imports: list[ImportBinding] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    reflection: list[tuple[str, Spot]] = field(default_factory=list)
    opened: dict[str, Spot] = field(default_factory=dict)
    figures: dict[str, Spot] = field(default_factory=dict)
    future_annotations: bool = False

    def binding_of(self, name: str) -> ImportBinding | None:
        """The last import statement that binds a name."""
        return next((binding for binding in reversed(self.imports) if name in binding.names), None)


def walk(cells: Iterable[PreparedCell], recorder: FlowRecorder, notebook: Notebook, *, future: bool = False) -> Walked:
    """Walk cells in order, reporting to `recorder`; raises `InvalidInput` at what cannot be analysed."""
    walked = Walked(recorder=recorder, future_annotations=future)
    for prepared in cells:
        visitor = CellVisitor(
            recorder,
            cell=prepared.cell.number,
            place_of=lambda spot: notebook.place(spot.cell, spot.line),
            future_annotations=walked.future_annotations,
        )
        for statement in prepared.tree.body:
            _statement(statement, prepared, visitor, walked)
        walked.future_annotations = visitor.future_annotations
        if prepared.capture:
            recorder.define(prepared.capture, Spot(cell=prepared.cell.number, line=1), None)
    return walked


def _statement(statement: ast.stmt, prepared: PreparedCell, visitor: CellVisitor, walked: Walked) -> None:
    recorder = walked.recorder
    found = setting_of(statement, prepared, is_import=recorder.holds_import)
    if found is not None:
        walked.settings.append(found)
    visitor.visit(statement)
    if is_import_only(statement):
        names = import_names(statement)
        recorder.imported.update(names)
        walked.imports.append(
            ImportBinding(
                names=tuple(names),
                source=ast.get_source_segment(prepared.code, statement) or "",
                spot=visitor.spot(statement),
            )
        )
    _watch(statement, visitor, walked)


def _watch(statement: ast.stmt, visitor: CellVisitor, walked: Walked) -> None:
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFLECTION:
            walked.reflection.append((node.func.id, visitor.spot(node)))
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Call | ast.GeneratorExp):
        unportable, figure = _unportable(statement.value), _makes_figure(statement.value)
        for target in statement.targets:
            for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                if isinstance(part, ast.Name):
                    walked.opened.pop(part.id, None)
                    walked.figures.pop(part.id, None)
                    if unportable:
                        walked.opened[part.id] = visitor.spot(statement)
                    if figure:
                        walked.figures[part.id] = visitor.spot(statement)


def _makes_figure(value: ast.expr) -> bool:
    made = value.func if isinstance(value, ast.Call) else None
    return isinstance(made, ast.Attribute) and made.attr in FIGURE_MAKERS


def _unportable(value: ast.expr) -> bool:
    """True for `open(...)`, a socket, a lock, a database connection, a generator: they cannot leave a process."""
    if isinstance(value, ast.GeneratorExp):
        return True
    if not isinstance(value, ast.Call):
        return False
    name = ast.unparse(value.func)
    return name == "open" or name in (
        "socket.socket", "threading.Lock", "threading.RLock", "threading.Thread", "sqlite3.connect", "psycopg2.connect",
        "psycopg.connect", "multiprocessing.Pool", "subprocess.Popen", "gzip.open", "io.open", "tempfile.TemporaryFile",
        "concurrent.futures.ThreadPoolExecutor", "ThreadPoolExecutor", "ProcessPoolExecutor",
    )  # fmt: skip


def is_import_only(statement: ast.stmt) -> bool:
    """True for an import, or a `try` that only chooses between imports, so that it can be repeated anywhere."""
    if isinstance(statement, ast.Import):
        return True
    if isinstance(statement, ast.ImportFrom):
        return True
    if not isinstance(statement, ast.Try):
        return False
    inner = [*statement.body, *statement.orelse, *statement.finalbody, *(s for h in statement.handlers for s in h.body)]
    plain = all(is_import_only(part) or isinstance(part, ast.Pass) or _assigns_constant(part) for part in inner)
    return plain and any(is_import_only(part) for part in inner)


def _assigns_constant(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Constant)
        and all(isinstance(target, ast.Name) for target in statement.targets)
    )


def import_names(statement: ast.stmt) -> list[str]:
    """The names that an import, or a `try` of imports, binds."""
    names: list[str] = []
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names += [bound_by_import(alias) for alias in node.names]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
    return sorted(set(names))

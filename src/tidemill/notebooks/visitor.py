"""One pass over a cell's syntax tree, in the order of evaluation and with the scopes of the compiler."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence

from tidemill.notebooks.expressions import ExpressionVisitor
from tidemill.notebooks.facts import Facts
from tidemill.notebooks.flow import FlowRecorder
from tidemill.notebooks.magics import magic_call
from tidemill.notebooks.objects import as_property
from tidemill.notebooks.origins import side_by_side
from tidemill.notebooks.scope import bound_by_import, captured_name, pattern_names

_AT_NAME = re.compile(r"@([^\W\d]\w*)")
_SHELL_NAME = re.compile(r"(?<!\$)\$([^\W\d]\w*)|(?<!\{)\{([^\W\d]\w*)")
_SQL_TABLE = re.compile(r"\b(?:from|join)\s+([^\W\d]\w*)", re.IGNORECASE)
_CATCHES_NAME_ERROR = frozenset({"NameError", "Exception", "BaseException"})


class CellVisitor(ExpressionVisitor):
    """Walks statements; at the top level branches are followed apart and joined again."""

    def _flow(self) -> FlowRecorder | None:
        return self.recorder if isinstance(self.recorder, FlowRecorder) else None

    def block(self, statements: Sequence[ast.stmt]) -> None:
        """Visit statements in order."""
        for statement in statements:
            self.visit(statement)

    # --- binding statements

    def visit_Assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Lambda):
            facts: Facts | None = self.function(node.value)
        else:
            self.visit(node.value)
            facts = self.carried(node.value)
        for target in node.targets:
            pairs = [(one, self.carried(value), value) for one, value in side_by_side(target, node.value)]
            for one, own, _ in pairs or [(target, facts, node.value)]:
                self.bind(one, own)
            for one, _, value in pairs or [(target, facts, node.value)]:
                self.link(one, value)
        for other in node.targets[1:]:
            self.link(other, node.targets[0])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.bind(node.target, self.carried(node.value))
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target.value)
        if not self._in_function() and not self.future_annotations:
            self.visit(node.annotation)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.load(node.target)
            self.visit(node.value)
            # `a += b` changes a list or an array in place for every name that it has
            self.changed(node.target, surely=True)
            self.store(node.target.id, node.target, None)
        else:
            self.visit(node.value)
            self.bind(node.target, None)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                if isinstance(part, ast.Name):
                    self._forget_name(part)
                else:
                    self.bind(part, None)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.store(bound_by_import(alias), node, None)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "__future__":
            self.future_annotations |= any(alias.name == "annotations" for alias in node.names)
        for alias in node.names:
            if alias.name == "*":
                self._refuse(node, f"`from {node.module} import *` hides which names it brings", "import them by name")
            self.store(bound_by_import(alias), node, None)

    def visit_Global(self, node: ast.Global) -> None:
        return  # the scopes know

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        return

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            self.visit(decorator)
        facts = self.function(node)
        for decorator in node.decorator_list:
            carried = self.carried(decorator)
            facts = facts.joined(carried) if carried else facts
        self.store(node.name, node, as_property(node, facts) if self._in_class_body() else facts)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(part)
        self.store(node.name, node, self.class_body(node))

    # --- names inside texts

    def visit_Call(self, node: ast.Call) -> None:
        magic = magic_call(node)
        if magic is None:
            super().visit_Call(node)
            for name in names_in_query(node):
                self.load(ast.copy_location(ast.Name(id=name, ctx=ast.Load()), node))
            self._may_read(names_in_sql(node), node)
            return
        method, name, line = magic
        if (method, name) == ("run_line_magic", "time"):
            self.block(ast.parse(line).body)
        elif method != "run_line_magic":
            self._may_read(names_in_shell(line) if method != "run_cell_magic" else [], node)

    def _may_read(self, names: list[str], node: ast.AST) -> None:
        """Names inside foreign text: the notebook's where it has them, else the shell's or the database's own."""
        flow = self._flow()
        if flow is None:
            return
        flow.forgiving += 1
        for name in names:
            if self._owner(name) is None:
                flow.reach(name, self.spot(node))
        flow.forgiving -= 1

    # --- branches

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if _always(node.test):
            self.block(node.body)
            return
        self._either(lambda: self.block(node.body), lambda: self.block(node.orelse))

    def _either(self, first: Callable[[], None], second: Callable[[], None]) -> None:
        flow = self._flow()
        if flow is None:
            first()
            second()
            return
        before = flow.branch()
        first()
        after = flow.switch(before)
        second()
        flow.join(after)

    def _perhaps(self, part: Callable[[], None]) -> None:
        self._either(part, lambda: None)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)

        def body() -> None:
            self.bind(node.target, self.carried(node.iter))
            self.link(node.target, node.iter)
            self.block(node.body)

        self._loop(body)
        self.block(node.orelse)

    visit_AsyncFor = visit_For

    def visit_While(self, node: ast.While) -> None:
        self.visit(node.test)
        self._loop(lambda: self.block(node.body))
        self.block(node.orelse)

    def _loop(self, body: Callable[[], None]) -> None:
        """A body that runs any number of times; leaving it early does not end what follows the loop."""

        def once() -> None:
            body()
            flow = self._flow()
            if flow is not None:
                flow.path.ended = False

        self._perhaps(once)

    def visit_Break(self, node: ast.Break | ast.Continue | ast.Raise | ast.Return) -> None:
        self.generic_visit(node)
        flow = self._flow()
        if flow is not None:
            flow.path.ended = True

    visit_Continue = visit_Break
    visit_Raise = visit_Break

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        flow = self._flow()
        guarded = flow is not None and any(_catches_name_errors(handler) for handler in node.handlers)
        before = flow.branch() if flow else None
        if flow and guarded:
            flow.forgiving += 1
        self.block(node.body)
        if flow and guarded:
            flow.forgiving -= 1
        self.block(node.orelse)
        for handler in node.handlers:
            if flow is None or before is None:
                self.visit(handler)
                continue
            after = flow.switch(before)
            flow.may_have(after)
            self.visit(handler)
            flow.join(after)
        self.block(node.finalbody)

    visit_TryStar = visit_Try

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is not None:
            self.visit(node.type)
        if not node.name:
            self.block(node.body)
            return
        flow = self._flow()
        known = flow is None or node.name in flow.defined
        self.store(node.name, node, None)
        self.block(node.body)
        self._unbind(node.name, node)
        if flow is not None and not known:
            flow.forget(node.name)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, None)
        self.block(node.body)

    visit_AsyncWith = visit_With

    def visit_Match(self, node: ast.Match) -> None:
        self.visit(node.subject)
        flow = self._flow()
        ends = []
        exhaustive = False
        before = flow.branch() if flow else None
        for case in node.cases:
            if flow and before is not None:
                flow.switch(before)
            self._case(case)
            exhaustive |= case.guard is None and _matches_all(case.pattern)
            if flow:
                ends.append(flow.branch())
        if flow and before is not None:
            flow.switch(ends[0] if exhaustive else before)
            for end in ends[1:] if exhaustive else ends:
                flow.join(end)

    def _case(self, case: ast.match_case) -> None:
        for part in ast.walk(case.pattern):
            if isinstance(part, ast.MatchValue):
                self.visit(part.value)
            elif isinstance(part, ast.MatchClass):
                self.visit(part.cls)
            elif isinstance(part, ast.MatchMapping):
                for key in part.keys:
                    self.visit(key)
        for captured in pattern_names(case.pattern):
            self.store(captured_name(captured), captured, None)
        if case.guard is not None:
            self.visit(case.guard)
        self.block(case.body)

    def class_body(self, node: ast.ClassDef) -> Facts:
        """Visit a class body; what its methods do later becomes the facts of the class."""
        return self._in_class(node, lambda: self.block(node.body))


def _always(test: ast.expr) -> bool:
    """True for tests that always hold in a notebook: `True`, `1`, `__name__ == "__main__"`."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
    )


def _catches_name_errors(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(part, ast.Name) and part.id in _CATCHES_NAME_ERROR for part in ast.walk(handler.type))


def _matches_all(pattern: ast.pattern) -> bool:
    return isinstance(pattern, ast.MatchAs) and pattern.pattern is None


def _texts(node: ast.Call) -> list[str]:
    return [
        part.value
        for a in node.args
        for part in ast.walk(a)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def names_in_query(node: ast.Call) -> list[str]:
    """`df.query("a > @limit")` reads `limit`, `df.eval` and `pd.eval` alike."""
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("query", "eval"):
        return [name for text in _texts(node) for name in _AT_NAME.findall(text)]
    return []


def names_in_sql(node: ast.Call) -> list[str]:
    """`duckdb.sql("select * from df")` may read `df`."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("sql", "query", "execute", "sqldf"):
        return [table for text in _texts(node) for table in _SQL_TABLE.findall(text)]
    return []


def names_in_shell(line: str) -> list[str]:
    """`!head {path} $name` reads `path` and `name` where the notebook has them."""
    return [one or other for one, other in _SHELL_NAME.findall(line)]

"""Scopes as the compiler sees them: which names belong to a function, a class body or a comprehension."""

from __future__ import annotations

import ast
import enum
from dataclasses import dataclass, field
from typing import TypeAlias

from tidemill.notebooks.facts import Facts

Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class ScopeKind(enum.Enum):
    """Where a name can live besides the notebook's own namespace."""

    FUNCTION = "a function body or a lambda"
    CLASS = "a class body: its names are seen there only, not by the functions in it"
    COMPREHENSION = "a comprehension: its targets are local to it"


@dataclass(slots=True)
class Scope:
    """The names of one scope; those of a class body grow as its statements run.

    `roots` says of a local name which other name its object is, or is a part of; `functions` has the local functions.
    """

    kind: ScopeKind
    bound: set[str]
    declared_global: set[str] = field(default_factory=set)
    parameters: tuple[str, ...] = ()
    roots: dict[str, str] = field(default_factory=dict)
    functions: dict[str, Facts] = field(default_factory=dict)


def function_scope(node: Function) -> Scope:
    """The scope of a function: its parameters and every name that it binds, less those declared global or nonlocal."""
    parameters = parameter_names(node.args)
    binder = _Binder()
    for statement in node.body if isinstance(node.body, list) else [node.body]:
        binder.visit(statement)
    bound = ({*parameters} | binder.bound) - binder.declared_global - binder.declared_nonlocal
    return Scope(ScopeKind.FUNCTION, bound, binder.declared_global, parameters)


def comprehension_scope(node: Comprehension) -> Scope:
    """The scope of a comprehension: the names of its `for` targets."""
    binder = _Binder()
    for generator in node.generators:
        binder.visit(generator.target)
    return Scope(ScopeKind.COMPREHENSION, binder.bound)


def parameter_names(arguments: ast.arguments) -> tuple[str, ...]:
    """Parameters in calling order: positional ones, keyword-only ones, then `*args` and `**kwargs`."""
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return tuple(names)


def pattern_names(pattern: ast.pattern) -> list[ast.AST]:
    """The nodes of a match pattern that capture into a name."""
    found: list[ast.AST] = []
    for node in ast.walk(pattern):
        if (isinstance(node, ast.MatchAs | ast.MatchStar) and node.name) or (
            isinstance(node, ast.MatchMapping) and node.rest
        ):
            found.append(node)
    return found


def captured_name(node: ast.AST) -> str:
    """The name that a capturing node of `pattern_names` binds."""
    name = node.rest if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
    assert isinstance(name, str)
    return name


class _Binder(ast.NodeVisitor):
    """Collects what a scope binds, not entering the scopes inside it (walrus targets in comprehensions count)."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.declared_global: set[str] = set()
        self.declared_nonlocal: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.bound.add(node.id)

    def visit_Global(self, node: ast.Global) -> None:
        self.declared_global.update(node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.declared_nonlocal.update(node.names)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.bound.update(bound_by_import(alias) for alias in node.names if alias.name != "*")

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bound.add(node.name)
        self.generic_visit(node)

    def visit_match_case(self, node: ast.match_case) -> None:
        self.bound.update(captured_name(found) for found in pattern_names(node.pattern))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bound.add(node.name)
        for part in (*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(part)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bound.add(node.name)
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self.visit(part)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(part)

    def visit_ListComp(self, node: Comprehension) -> None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.bound.add(inner.target.id)

    visit_SetComp = visit_ListComp
    visit_DictComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp


def bound_by_import(alias: ast.alias) -> str:
    """The name that an import clause binds: `import a.b` binds `a`."""
    return alias.asname or alias.name.split(".")[0]


def surely_written(node: Function, names: set[str]) -> frozenset[str]:
    """The globals among `names` that every call assigns: by a plain statement before anything that may return."""
    written: set[str] = set()
    for statement in node.body if isinstance(node.body, list) else []:
        if isinstance(statement, ast.Assign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            written |= {t.id for t in targets if isinstance(t, ast.Name) and t.id in names}
        elif any(isinstance(inner, ast.Return | ast.Raise) for inner in ast.walk(statement)):
            break
    return frozenset(written)


def mutable_defaults(arguments: ast.arguments) -> frozenset[str]:
    """Parameters whose default is made once and can change: lists, dicts, sets, what a call gives."""
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = list(zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True))
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
    kinds = ast.List | ast.Dict | ast.Set | ast.Call | ast.ListComp | ast.DictComp | ast.SetComp
    return frozenset(argument.arg for argument, default in pairs if isinstance(default, kinds))

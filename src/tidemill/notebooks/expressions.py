"""Expressions of a cell: which names they read, change and carry, resolved in the scopes around them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

from tidemill.base.errors import InvalidInput
from tidemill.notebooks.facts import CallFact, Facts, Spot
from tidemill.notebooks.mutation import MUTATING_FUNCTIONS, MUTATING_METHODS, method_changes
from tidemill.notebooks.objects import changes_self, changes_when_read, is_partial, made_by_library
from tidemill.notebooks.origins import is_false, root_name, sources
from tidemill.notebooks.recorder import LateRecorder, Recorder
from tidemill.notebooks.scope import (
    Comprehension,
    Function,
    Scope,
    ScopeKind,
    comprehension_scope,
    function_scope,
    mutable_defaults,
    surely_written,
)


class ExpressionVisitor(ast.NodeVisitor):
    """Resolves names; what belongs to the notebook's namespace goes to the recorder on top.

    `spot_of` turns a syntax node into cell and line, `place_of` a spot into text for an error.
    """

    def __init__(
        self, recorder: Recorder, *, cell: int, place_of: Callable[[Spot], str], future_annotations: bool = False
    ) -> None:
        self.recorder: Recorder = recorder
        self.scopes: list[Scope] = []
        self.future_annotations = future_annotations
        self._cell = cell
        self._place_of = place_of
        self._methods: list[dict[str, Facts]] = []

    # --- names

    def spot(self, node: ast.AST) -> Spot:
        """Where a node stands."""
        return Spot(cell=self._cell, line=getattr(node, "lineno", 1))

    def _refuse(self, node: ast.AST, message: str, remedy: str) -> NoReturn:
        """Raise `InvalidInput` at a node."""
        raise InvalidInput(message, place=self._place_of(self.spot(node)), remedy=remedy)

    def _in_class_body(self) -> bool:
        """True directly in the body of a class."""
        return bool(self.scopes) and self.scopes[-1].kind is ScopeKind.CLASS

    def _in_function(self) -> bool:
        """True inside a function body, where code runs later."""
        return any(scope.kind is ScopeKind.FUNCTION for scope in self.scopes)

    def _owner(self, name: str) -> Scope | None:
        """The scope that a name resolves to from here, None for the notebook's namespace."""
        innermost = len(self.scopes) - 1
        for index in range(innermost, -1, -1):
            scope = self.scopes[index]
            if name in scope.declared_global:
                return None
            if scope.kind is ScopeKind.CLASS and index != innermost:
                continue
            if name in scope.bound:
                return scope
        return None

    def visit_Name(self, node: ast.Name) -> None:
        self.load(node)

    def load(self, node: ast.Name, *, called: bool = False, passed: bool = False) -> None:
        """A name is read; `called` there and then, or `passed` to a call."""
        if self._owner(node.id) is None:
            self.recorder.use(node.id, self.spot(node), called=called, passed=passed)

    def store(self, name: str, node: ast.AST, facts: Facts | None) -> None:
        """A name is bound here."""
        scope = self._binding_scope(name)
        if scope is None:
            self.recorder.define(name, self.spot(node), facts)
        elif scope.kind is ScopeKind.CLASS:
            scope.bound.add(name)
            if facts is not None and self._methods:
                self._methods[-1][name] = facts
        elif facts is not None:
            scope.functions[name] = facts

    def _binding_scope(self, name: str) -> Scope | None:
        for scope in reversed(self.scopes):
            if name in scope.declared_global:
                return None
            if scope.kind is ScopeKind.COMPREHENSION and name not in scope.bound:
                continue  # a walrus binds outside the comprehension
            return scope
        return None

    def _unbind(self, name: str, node: ast.AST) -> None:
        """A name is deleted."""
        scope = self._binding_scope(name)
        if scope is None:
            self.recorder.delete(name, self.spot(node))
        elif scope.kind is ScopeKind.CLASS:
            scope.bound.discard(name)

    def _forget_name(self, node: ast.Name) -> None:
        """`del name`: read, in that it must be there, then gone."""
        if self._owner(node.id) is None:
            self.recorder.use(node.id, self.spot(node), called=False)
        self._unbind(node.id, node)

    def bind(self, target: ast.expr, facts: Facts | None) -> None:
        """An assignment target: a name, a tuple of targets, or a part of an object, which changes in place."""
        if isinstance(target, ast.Name):
            self.store(target.id, target, facts)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.bind(part, facts)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, facts)
        elif isinstance(target, ast.Attribute | ast.Subscript):
            self.visit(target.value)
            if isinstance(target, ast.Subscript):
                self.visit(target.slice)
            self.changed(target, surely=True)

    def changed(self, node: ast.expr, *, surely: bool) -> None:
        """The object at the root of `a.b[c]` changes in place, and whatever it is a part of."""
        root = root_name(node)
        if root is None:
            return
        name, owner = self._origin(root.id)
        if owner is None:
            self.recorder.mutate(name, self.spot(node), surely=surely)
        elif surely and isinstance(self.recorder, LateRecorder):
            self.recorder.mutate_parameter(name)

    def _origin(self, name: str) -> tuple[str, Scope | None]:
        """Follow a local name to the name that its object came from."""
        owner = self._owner(name)
        seen = {name}
        while owner is not None and name in owner.roots and owner.roots[name] not in seen:
            name = owner.roots[name]
            seen.add(name)
            owner = self._owner(name)
        return name, owner

    def link(self, target: ast.expr, value: ast.expr) -> None:
        """Remember that a name now holds the object of another name, or a part of it."""
        part = not self._hands_on_whole(value)
        found = sources(value)
        targets = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
        for name in targets:
            for source in found:
                if not isinstance(name, ast.Name) or name.id == source:
                    continue
                scope = self._binding_scope(name.id)
                if scope is not None:
                    scope.roots[name.id] = source
                elif self._owner(source) is None:
                    self.recorder.link(name.id, source, self.spot(target), part=part or len(targets) > 1)

    # --- expressions

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.store(node.target.id, node.target, self.carried(node.value))

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name):
            self.load(node.func, called=True)
        else:
            self.visit(node.func)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            if isinstance(argument, ast.Name):
                self.load(argument, passed=True)
            else:
                self.visit(argument)
        self._effects_of_call(node)

    def _effects_of_call(self, node: ast.Call) -> None:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        position = MUTATING_FUNCTIONS.get(name)
        if position is not None and position < len(node.args) and name != "put":
            self.changed(node.args[position], surely=True)
        if isinstance(node.func, ast.Attribute):
            base = root_name(node.func.value)
            if base is None:
                return
            name, owner = self._origin(base.id)
            inplace = any(k.arg == "inplace" and not is_false(k.value) for k in node.keywords)
            if owner is None:
                self.recorder.method(name, node.func.attr, self.spot(node), inplace=inplace)
            elif isinstance(self.recorder, LateRecorder) and method_changes(node.func.attr, inplace=inplace):
                self.recorder.mutate_parameter(name)
        elif isinstance(node.func, ast.Name):
            owner = self._owner(node.func.id)
            if owner is None:
                self.recorder.call(self._call_fact(node, node.func.id))
            elif node.func.id in owner.functions:
                self._call_local(node, owner.functions[node.func.id])

    def _call_local(self, node: ast.Call, facts: Facts) -> None:
        """A function inside a function is called: what it changes of its arguments, the outer one changes."""
        given = dict(zip(facts.parameters, node.args, strict=False))
        given.update({keyword.arg: keyword.value for keyword in node.keywords if keyword.arg})
        for parameter, argument in given.items():
            if parameter in facts.mutated_parameters:
                self.changed(argument, surely=True)

    def _call_fact(self, node: ast.Call, callee: str) -> CallFact:
        def plain(argument: ast.expr) -> str | None:
            root = root_name(argument)
            if root is None:
                return None
            name, owner = self._origin(root.id)
            # a local name that is no parameter is nobody else's business
            return name if owner is None or name in owner.parameters else None

        keywords = {k.arg: name for k in node.keywords if k.arg and (name := plain(k.value))}
        return CallFact(
            callee=callee, arguments=tuple(plain(a) for a in node.args), keywords=keywords, spot=self.spot(node)
        )

    def visit_Lambda(self, node: ast.Lambda) -> None:
        facts = self.function(node)
        # where the lambda goes to is not known, so what it reads counts as read here, softly
        for name, spot in facts.late.items():
            self.recorder.reach(name, spot)

    def _comprehension(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        self.scopes.append(comprehension_scope(node))
        self.link(node.generators[0].target, node.generators[0].iter)
        for index, generator in enumerate(node.generators):
            if index:
                self.visit(generator.iter)
            if not isinstance(generator.target, ast.Name | ast.Tuple | ast.List):
                self.bind(generator.target, None)
            for condition in generator.ifs:
                self.visit(condition)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self.scopes.pop()

    visit_ListComp = _comprehension
    visit_SetComp = _comprehension
    visit_DictComp = _comprehension
    visit_GeneratorExp = _comprehension

    # --- code that runs later

    def function(self, node: Function) -> Facts:
        """Defaults and annotations are evaluated now; the body gives the facts of the function."""
        for default in (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)):
            self.visit(default)
        if not isinstance(node, ast.Lambda) and not self.future_annotations:
            self._annotations(node)
        scope = function_scope(node)
        late = LateRecorder(scope.parameters)
        outer, self.recorder = self.recorder, late
        self.scopes.append(scope)
        for statement in node.body if isinstance(node.body, list) else [node.body]:
            self.visit(statement)
        self.scopes.pop()
        self.recorder = outer
        written = surely_written(node, scope.declared_global)
        facts = late.facts(scope.parameters, written, mutable_defaults(node.args))
        if isinstance(outer, LateRecorder):
            self._pass_outward(facts, outer)
        return facts

    def _pass_outward(self, facts: Facts, outer: LateRecorder) -> None:
        """What an inner function does to global names, the outer one may do."""
        for name, spot in facts.late.items():
            outer.reach(name, spot)
        for name, spot in facts.writes.items():
            outer.define(name, spot, None)
        for name, surely in facts.mutates.items():
            outer.mutate(name, Spot(cell=self._cell, line=1), surely=surely)
        for called in facts.method_calls:
            outer.method(called.name, called.method, called.spot, inplace=called.inplace)

    def _annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
        for argument in every:
            if argument is not None and argument.annotation is not None:
                self.visit(argument.annotation)
        if node.returns is not None:
            self.visit(node.returns)

    def _in_class(self, node: ast.ClassDef, body: Callable[[], None]) -> Facts:
        """Run `body` in the scope of a class; the facts join those of its methods."""
        self.scopes.append(Scope(ScopeKind.CLASS, set()))
        self._methods.append({})
        body()
        self.scopes.pop()
        methods = self._methods.pop()
        facts = Facts(is_class=True)
        for method in methods.values():
            facts = facts.joined(method)
        restless = changes_when_read(methods)
        for base in node.bases:
            carried = self.carried(base)
            facts = facts.joined(carried) if carried else facts
        changing = {name: changes_self(method) for name, method in methods.items()}
        return Facts(
            late=facts.late, writes=facts.writes, mutates=facts.mutates, calls=facts.calls,
            method_calls=facts.method_calls, methods={**facts.methods, **changing}, is_class=True,
            changes_when_read=restless or facts.changes_when_read,
        )  # fmt: skip

    def carried(self, value: ast.expr) -> Facts | None:
        """The facts that the value of an expression carries: of a lambda, a function's name, an object of a class."""
        found: Facts | None = None
        if isinstance(value, ast.Lambda):
            quiet, self.recorder = self.recorder, LateRecorder(())
            found = self.function(value)
            self.recorder = quiet
        elif isinstance(value, ast.Name):
            found = self.recorder.facts_of(value.id) if self._owner(value.id) is None else None
        elif isinstance(value, ast.Call):
            called = self.carried(value.func)
            found = called.as_instance() if called is not None and called.is_class else made_by_library(value)
            for part in (*value.args, *(k.value for k in value.keywords)):
                found = _either(found, self.carried(part), as_value=True)
            if called is not None and not called.is_class:
                found = _either(found, called, as_value=True)
        elif isinstance(value, ast.Dict | ast.List | ast.Tuple | ast.Set | ast.IfExp | ast.BoolOp | ast.Starred):
            for child in ast.iter_child_nodes(value):
                if isinstance(child, ast.expr):
                    found = _either(found, self.carried(child), as_value=True)
        elif isinstance(value, Comprehension):
            found = _either(
                None, self.carried(value.value if isinstance(value, ast.DictComp) else value.elt), as_value=True
            )
        elif isinstance(value, ast.Attribute | ast.Subscript | ast.Await):
            found = _either(None, self.carried(value.value), as_value=True)
            changes = self._bound_method(value)
            if changes is not None:
                found = replace(found or Facts(is_value=True), changes_when_called=changes)
        return found

    def _bound_method(self, value: ast.expr) -> bool | None:
        """Whether calling the value changes the object that a name holds; None when it is no method of one."""
        if not (isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name)):
            return None
        facts = self.recorder.facts_of(value.value.id) if self._owner(value.value.id) is None else None
        if facts is not None and facts.is_instance and value.attr in facts.methods:
            return facts.methods[value.attr]
        return True if value.attr in MUTATING_METHODS else None

    def _hands_on_whole(self, value: ast.expr) -> bool:
        """True for a name, a bound method and a partial of one: who has it has the object itself."""
        if isinstance(value, ast.Call) and is_partial(value):
            return any(self._bound_method(argument) is not None for argument in value.args)
        return isinstance(value, ast.Name) or self._bound_method(value) is not None

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and self._owner(node.value.id) is None:
            facts = self.recorder.facts_of(node.value.id)
            if facts is not None and facts.is_instance and "__missing__" in facts.methods:
                self.recorder.mutate(node.value.id, self.spot(node), surely=False)


def _either(left: Facts | None, right: Facts | None, *, as_value: bool) -> Facts | None:
    if right is None:
        return left
    value = right
    if as_value:
        value = Facts(late=right.late, is_value=True, changes_when_called=right.changes_when_called)
    return value if left is None else left.joined(value)

"""Objects that change when they are only looked at: what their classes say of it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace

from tidemill.notebooks.facts import Facts
from tidemill.notebooks.word_list import words

_EXPECTED = words(
    """
    __init__ __new__ __post_init__ __setstate__ __init_subclass__ __set_name__ __class_getitem__ __call__ __del__
    __setattr__ __delattr__ __setitem__ __delitem__ __set__ __delete__
    """
)
"""Special methods that run when an object is made, set, or called: not when it is read."""


def as_property(node: ast.FunctionDef | ast.AsyncFunctionDef, facts: Facts) -> Facts:
    """The facts of a method, with what its decorators say: does reading an attribute run it, and keep what it gave?"""
    names = {_last_name(decorator) for decorator in node.decorator_list}
    if not any(name.endswith("property") or name in ("reify", "getter") for name in names):
        return facts
    keeps = any(name.startswith(("cached", "reify", "lazy")) for name in names)
    changed = facts.mutated_parameters | (set(facts.parameters[:1]) if keeps else set())
    return replace(facts, is_property=True, mutated_parameters=frozenset(changed))


def changes_self(method: Facts) -> bool:
    """True for a method that changes the object it is called on."""
    return bool(method.parameters) and method.parameters[0] in method.mutated_parameters


def changes_when_read(methods: Mapping[str, Facts]) -> bool:
    """True for a class of whose objects a property, `len`, `with`, `print` and the like change something."""
    return any(
        changes_self(method) and (method.is_property or (name.startswith("__") and name not in _EXPECTED))
        for name, method in methods.items()
        if name.startswith("__") or method.is_property
    )


def made_by_library(call: ast.Call) -> Facts | None:
    """The facts of an object of the standard library that reading changes: `defaultdict(list)`."""
    if _last_name(call.func) == "defaultdict":
        return Facts(is_instance=True, methods={"__missing__": True})
    return None


def is_partial(call: ast.Call) -> bool:
    """True for `functools.partial(...)`."""
    return _last_name(call.func) in ("partial", "partialmethod")


def _last_name(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")

"""Where the object of an expression comes from: the names that hold it, or hold what it is a part of."""

from __future__ import annotations

import ast

from tidemill.notebooks.objects import is_partial


def root_name(node: ast.expr) -> ast.Name | None:
    """The name at the root of `a.b[c].d`, None where there is a call or a literal."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node if isinstance(node, ast.Name) else None


def sources(value: ast.expr) -> list[str]:
    """The names whose object, or a part of whose object, an expression hands on without making a new one."""
    if isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr in (
            "values",
            "items",
            "iterrows",
            "setdefault",
            "get",
        ):
            return sources(value.func.value)
        if is_partial(value) or getattr(value.func, "id", "") in ("enumerate", "zip", "reversed", "iter"):
            return [source for argument in value.args for source in sources(argument)]
        return []
    if isinstance(value, ast.List | ast.Tuple | ast.Set | ast.Dict):
        parts = [part for part in ast.iter_child_nodes(value) if isinstance(part, ast.Name)]
        return [part.id for part in parts]
    root = root_name(value)
    return [root.id] if root is not None else []


def side_by_side(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """What is assigned to what in `a, b = x, y`; empty where the two sides do not stand one to one."""
    if not (isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List)):
        return []
    if any(isinstance(one, ast.Starred) for one in (*target.elts, *value.elts)) or len(target.elts) != len(value.elts):
        return []
    return list(zip(target.elts, value.elts, strict=True))


def is_false(node: ast.expr) -> bool:
    """True for a literal that is not true."""
    return isinstance(node, ast.Constant) and not node.value

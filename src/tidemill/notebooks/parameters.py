"""Pipeline parameters: the assignments of literals in cells tagged `pipeline-parameters`."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tidemill.base.canonical import canonical_json
from tidemill.base.errors import InvalidInput
from tidemill.notebooks.facts import Spot
from tidemill.notebooks.magics import PreparedCell
from tidemill.notebooks.model import Cell, Notebook

_KFP_TYPES = {
    "bool": "BOOLEAN", "int": "NUMBER_INTEGER", "float": "NUMBER_DOUBLE", "str": "STRING",
    "list": "LIST", "tuple": "LIST", "dict": "STRUCT",
}  # fmt: skip
_ANNOTATIONS = {
    **{name: name for name in _KFP_TYPES},
    "List": "list", "Dict": "dict", "Tuple": "tuple", "Sequence": "list", "Mapping": "dict",
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow,
}  # fmt: skip
MAX_EXPONENT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value that a run may set. `python_type` is like `int`, `default` JSON; None means that it may be left out."""

    name: str
    python_type: str
    default: Any
    spot: Spot

    @property
    def kfp_type(self) -> str:
        """The type by KFP's name."""
        return _KFP_TYPES[self.python_type]


def read_parameters(cells: list[PreparedCell], notebook: Notebook) -> tuple[dict[str, Parameter], list[PreparedCell]]:
    """The parameters of a notebook, and the rest of their cells: what is computed from them, run before every step.

    Raises `InvalidInput` for a value that cannot be a parameter although it is a literal.
    """
    parameters: dict[str, Parameter] = {}
    rest: list[PreparedCell] = []
    for prepared in cells:
        others: list[ast.stmt] = []
        for statement in prepared.tree.body:
            found = _parameter(statement, prepared, notebook)
            if found is None:
                others.append(statement)
            else:
                parameters[found.name] = found
        if any(not _is_text(statement) for statement in others):
            rest.append(_only(prepared, others))
    return parameters, rest


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _only(prepared: PreparedCell, statements: list[ast.stmt]) -> PreparedCell:
    """The cell with only these statements, each on its own lines."""
    lines = prepared.code.split("\n")
    kept = {line for s in statements for line in range(s.lineno, (s.end_lineno or s.lineno) + 1)}
    code = "\n".join(line if number in kept else "" for number, line in enumerate(lines, start=1))
    cell = Cell(number=prepared.cell.number, source=code)
    return PreparedCell(cell=cell, code=code, tree=ast.parse(code))


def _parameter(statement: ast.stmt, prepared: PreparedCell, notebook: Notebook) -> Parameter | None:
    annotation: ast.expr | None = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value, annotation = statement.target, statement.value, statement.annotation
    else:
        return None
    if not isinstance(target, ast.Name):
        return None
    try:
        default = _literal(value)
    except (ValueError, TypeError, ArithmeticError):
        return None
    place = notebook.place(prepared.cell.number, statement.lineno)
    python_type = _type_of(default, annotation, target.id, place)
    if python_type is None:
        return None
    if python_type == "float" and default is not None:
        default = float(default)
    spot = Spot(cell=prepared.cell.number, line=statement.lineno)
    return Parameter(name=target.id, python_type=python_type, default=_json(default), spot=spot)


def _type_of(default: Any, annotation: ast.expr | None, name: str, place: str) -> str | None:
    declared = _declared(annotation)
    actual = type(default).__name__
    if default is None:
        return declared or "str"
    if actual not in _KFP_TYPES or not _fits_json(default):
        return None
    if declared is None or declared == actual or (declared, actual) == ("float", "int"):
        return declared or actual
    raise InvalidInput(
        f"the parameter {name} is annotated {declared}, its value is of type {actual}",
        place=place,
        remedy="make the two agree",
    )


def _declared(annotation: ast.expr | None) -> str | None:
    """`int`, `Optional[int]`, `int | None`, `"int"`, `list[str]`: the first type that a parameter can have."""
    if annotation is None:
        return None
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    if isinstance(annotation, ast.Subscript):
        head = (
            annotation.value.attr
            if isinstance(annotation.value, ast.Attribute)
            else getattr(annotation.value, "id", "")
        )
        return _declared(annotation.slice) if head == "Optional" else _ANNOTATIONS.get(head)
    if isinstance(annotation, ast.BinOp):
        return _declared(annotation.left) or _declared(annotation.right)
    name = annotation.attr if isinstance(annotation, ast.Attribute) else getattr(annotation, "id", "")
    return _ANNOTATIONS.get(name)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _literal(node.left), _literal(node.right)
        numbers = all(isinstance(side, int | float) for side in (left, right))
        if not numbers or (isinstance(node.op, ast.Pow) and abs(right) > MAX_EXPONENT):
            raise ValueError
        return _OPERATORS[type(node.op)](left, right)
    return ast.literal_eval(node)


def _fits_json(value: Any) -> bool:
    try:
        canonical_json(_json(value))
    except (ValueError, TypeError):
        return False
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(_fits_json(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_fits_json(item) and not isinstance(item, tuple) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def _json(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value

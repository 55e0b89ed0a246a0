"""The CEL library: loaded on first use, its gaps against cel-go filled, its errors translated."""

from __future__ import annotations

import decimal
import importlib.machinery
import importlib.util
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

MAX_LENGTH = 20_000
OWN = {"string": "tidemill_string", "size": "tidemill_size"}
TOKEN = re.compile(
    r"""[rR]?[bB]?[rR]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|//[^\n]*|(?<![\w.])string(?=\s*\()|\bsize(?=\s*\()""",
    re.DOTALL,
)


class CelError(Exception):
    """CEL that does not parse, or that fails on these values; the message is one line."""


def compile_cel(expression: str) -> Any:
    """A compiled program; `CelError` when the text is not CEL or longer than 20,000 characters."""
    if len(expression) > MAX_LENGTH:
        raise CelError(f"longer than {MAX_LENGTH} characters")
    return _guarded(lambda: _library().compile(_own_calls(expression)))


def run_cel(program: Any, values: Mapping[str, Any]) -> Any:
    """The result of a program over variables, as a Python value; `CelError` when it fails."""
    library = _library()
    functions = {OWN["string"]: _string, OWN["size"]: _size, "bool": _bool, "parseJson": _parse_json}
    return _guarded(lambda: program.execute(library.Context(variables=dict(values), functions=functions)))


def _guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except BaseException as problem:
        # The library raises half a dozen built-in types, and a panic of its own that is no Exception.
        if isinstance(problem, Exception) or type(problem).__name__ == "PanicException":
            raise CelError(_one_line(problem)) from problem
        raise


def _one_line(problem: BaseException) -> str:
    if isinstance(problem, KeyError):
        return f"no such key: {problem.args[0]!r}"
    line = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    syntax = re.search(r"<input>:\d+:(\d+): (?:Syntax error: )?(.*)", line)
    if syntax is not None:
        line = f"column {syntax[1]}: {syntax[2]}"
    return re.sub(r"expecting \{.*|\. CEL does not coerce.*", "", line)[:200].rstrip(" ,")


def _library() -> Any:
    """The extension module alone: its package imports a terminal program, half a second of it."""
    if "cel.cel" in sys.modules:
        return sys.modules["cel.cel"]
    package = importlib.util.find_spec("cel")
    if package is not None and package.submodule_search_locations:
        spec = importlib.machinery.PathFinder.find_spec("cel.cel", list(package.submodule_search_locations))
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sys.modules["cel.cel"] = module
            return module
    import cel  # the whole package, where a release has another layout

    return cel


def _own_calls(expression: str) -> str:
    """Calls ours where the library differs from cel-go and cannot be overridden by name.

    Its `string()` refuses booleans and spells doubles its own way, its `size()` counts bytes of text.
    """
    return TOKEN.sub(lambda match: OWN.get(match[0], match[0]), expression)


def _size(value: Any) -> int:
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    raise TypeError("no such overload: size()")


def _string(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _double_text(value)
    if value is None or isinstance(value, list | dict):
        raise TypeError("no such overload: string()")
    return _library().evaluate("string(value)", {"value": value})


def _double_text(value: float) -> str:
    """A double as Go's %g writes it: the shortest digits, with an exponent below -4 and from 6 on."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")
    shortest = decimal.Decimal(repr(value))
    exponent = shortest.adjusted() if shortest else 0
    if -4 <= exponent < 6:
        return repr(value).removesuffix(".0") if "e" not in repr(value) else f"{shortest:f}"
    sign, figures, _ = shortest.as_tuple()
    digits = "".join(map(str, figures)).rstrip("0")
    point = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{'-' if sign else ''}{digits[0]}{point}e{exponent:+03d}"


def _bool(value: Any) -> bool:
    # cel-go takes the spellings of Go's strconv.ParseBool.
    if isinstance(value, bool):
        return value
    if value in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if value in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise TypeError("no such overload: bool()")


def _parse_json(text: Any) -> Any:
    if not isinstance(text, str):
        raise TypeError("no such overload: parseJson()")
    return json.loads(text)

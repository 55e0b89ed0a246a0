"""The notebook's namespace in a process: runs cells as a kernel would."""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import linecache
import sys
import types
from typing import Any, Callable, Dict, List, Optional

_FUTURE_FLAGS = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
# CO_NESTED shares its bit with an old feature; it is no future flag
_FUTURE_FLAGS &= ~inspect.CO_NESTED


class Session:
    """A fresh `__main__` and what happens in it.

    `show` is called with the value of a cell's last expression, as IPython displays it.
    """

    def __init__(self, notebook: str, show: Callable[[Any], None]) -> None:
        self.notebook = notebook
        self.main = types.ModuleType("__main__")
        self.main.__dict__["__builtins__"] = builtins
        self._show = show
        self._flags = 0
        self._loop: Any = None
        sys.modules["__main__"] = self.main

    @property
    def names(self) -> Dict[str, Any]:
        """The namespace."""
        return self.main.__dict__

    def file_name(self, cell: int) -> str:
        """How tracebacks name a cell."""
        return f"{self.notebook}, cell {cell}"

    def run(self, code: str, cell: int) -> None:
        """Run the code of a cell; whatever it raises comes through, with the cell in its traceback."""
        file_name = self.file_name(cell)
        linecache.cache[file_name] = (len(code), None, code.splitlines(keepends=True), file_name)
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._flags
        tree = compile(code, file_name, "exec", flags, dont_inherit=True)
        last: Optional[ast.expr] = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not _is_muted(code, tree.body[-1]):
            last = tree.body.pop().value
        if tree.body:
            self._execute(tree, file_name, "exec")
        if last is not None:
            value = self._execute(ast.Expression(last), file_name, "eval")
            if value is not None:
                self._show(value)

    def _execute(self, tree: Any, file_name: str, mode: str) -> Any:
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | self._flags
        code = compile(tree, file_name, mode, flags, dont_inherit=True)
        self._flags |= code.co_flags & _FUTURE_FLAGS
        if code.co_flags & inspect.CO_COROUTINE:
            return self._await(eval(code, self.names))  # noqa: S307  # running the author's code is the purpose
        return eval(code, self.names)  # noqa: S307

    def _await(self, awaitable: Any) -> Any:
        import asyncio  # lazy: most notebooks do not await, and it takes longer to import than all the rest

        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
        return self._loop.run_until_complete(awaitable)

    def close(self) -> None:
        """Close the event loop, if a cell awaited."""
        if self._loop is not None:
            import asyncio  # lazy, as above

            self._loop.close()
            asyncio.set_event_loop(None)
            self._loop = None


def _is_muted(code: str, statement: ast.stmt) -> bool:
    """True when a semicolon follows the last expression, which in a notebook hides its value."""
    lines: List[str] = code.splitlines()[(statement.end_lineno or 1) - 1 :]
    rest = lines[0].encode("utf-8")[statement.end_col_offset :].decode("utf-8") if lines else ""
    return rest.strip().startswith(";")

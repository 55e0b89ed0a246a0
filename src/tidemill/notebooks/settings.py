"""Statements that set up the process (`pd.set_option`, `os.environ[...] = ...`): later steps repeat them."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass

from tidemill.notebooks.facts import Spot
from tidemill.notebooks.magics import PreparedCell
from tidemill.notebooks.origins import root_name
from tidemill.notebooks.word_list import words

SETTERS = words(
    """
    set_option reset_option set_config set_theme set_style set_palette set_context set filterwarnings simplefilter
    resetwarnings set_default_dtype set_printoptions basicConfig setlocale rc rcdefaults register_matplotlib_converters
    setrecursionlimit chdir disable set_verbosity set_loglevel setattr putenv unsetenv set_num_threads
    use_deterministic_algorithms seed_everything set_float32_matmul_precision set_default_device
    """
)
NESTED_SETTERS = {
    "style": {"use"},
    "rcParams": {"update"},
    "environ": {"update", "setdefault", "pop"},
    "path": {"append", "insert", "extend", "remove", "clear", "reverse", "pop"},
}
OF_LOGGERS = frozenset({"setLevel", "addHandler", "removeHandler", "addFilter", "removeFilter"})
HOLDERS = frozenset({"getLogger", "getcontext"})
"""Functions that give the process's own object: what is set in it is a setting."""

SEEDERS = frozenset({"seed", "manual_seed", "manual_seed_all", "set_seed", "seed_everything", "set_random_seed"})
HARMLESS = frozenset({"set_title", "set_trace"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A statement that sets up the process; `modules` are the imported names in it, `variables` all other names."""

    source: str
    spot: Spot
    modules: tuple[str, ...]
    variables: tuple[str, ...]


def setting_of(statement: ast.stmt, prepared: PreparedCell, *, is_import: Callable[[str], bool]) -> Setting | None:
    """The setting that a statement makes, None when it makes none."""
    if not (_calls_setter(statement, is_import) or _assigns_into_module(statement, is_import) or _sets_env(statement)):
        return None
    loaded = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    modules = sorted(name for name in loaded if is_import(name))
    variables = sorted(loaded - set(modules) - {"get_ipython"})
    source = ast.get_source_segment(prepared.code, statement) or ""
    spot = Spot(cell=prepared.cell.number, line=statement.lineno)
    return Setting(source=source, spot=spot, modules=tuple(modules), variables=tuple(variables))


def _calls_setter(statement: ast.stmt, is_import: Callable[[str], bool]) -> bool:
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
        return False
    function = statement.value.func
    if isinstance(function, ast.Attribute) and function.attr in OF_LOGGERS and _is_held(function.value, is_import):
        return True
    root = root_name(function)
    if root is None or not is_import(root.id):
        return False
    if isinstance(function, ast.Name):
        return function.id in SETTERS
    if not isinstance(function, ast.Attribute):
        return False
    holder = function.value
    held = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
    return function.attr in SETTERS or function.attr in NESTED_SETTERS.get(held, set())


def _assigns_into_module(statement: ast.stmt, is_import: Callable[[str], bool]) -> bool:
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    elif isinstance(statement, ast.Delete):
        targets = statement.targets
    for target in targets:
        root = root_name(target)
        if not isinstance(target, ast.Name) and root is not None and is_import(root.id):
            return True
        if isinstance(target, ast.Attribute) and _is_held(target.value, is_import):
            return True
    return False


def _is_held(value: ast.expr, is_import: Callable[[str], bool]) -> bool:
    """`logging.getLogger("a")`, `decimal.getcontext()`."""
    if not isinstance(value, ast.Call):
        return False
    root = root_name(value.func)
    return _called(value) in HOLDERS and root is not None and is_import(root.id)


def _sets_env(statement: ast.stmt) -> bool:
    from tidemill.notebooks.magics import magic_call

    magic = magic_call(statement.value) if isinstance(statement, ast.Expr) else None
    return magic is not None and (
        magic[1] in ("set_env", "cd") or (magic[1] == "env" and any(c in magic[2] for c in "= "))
    )


def seeds(tree: ast.AST) -> bool:
    """True when code sets a global random state."""
    return any(isinstance(node, ast.Call) and _called(node) in SEEDERS for node in ast.walk(tree))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def is_setter(statement: ast.stmt, is_import: Callable[[str], bool]) -> bool:
    """True for a statement that calls what sets up the process."""
    return _calls_setter(statement, is_import) or _sets_env(statement)

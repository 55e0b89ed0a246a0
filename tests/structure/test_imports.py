"""Importing a module does nothing, and heavy libraries stay away from where they are not wanted."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import tidemill
import tidemill_runtime

ROOT = Path(__file__).parents[2]
NOT_IMPORTED = {
    "tidemill.base.migrations.env",  # Alembic runs it, on a connection
    "tidemill.__main__",
    "tidemill.data.child",  # runs in DVC's own environment
}


def _modules() -> list[str]:
    names = ["tidemill", "tidemill_runtime"]
    for package in (tidemill, tidemill_runtime):
        names += [found.name for found in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    return [
        name
        for name in names
        if name not in NOT_IMPORTED and ".versions." not in name and not name.endswith("__main__")
    ]


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_any_module_opens_nothing_starts_nothing_and_writes_nothing() -> None:
    code = f"""
import sys, threading, importlib
sys.dont_write_bytecode = True
seen = []
def hook(event, arguments):
    if event in ("socket.bind", "socket.connect", "subprocess.Popen", "os.fork", "sqlite3.connect"):
        seen.append(event)
    writes = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wax"
    if writes and "__pycache__" not in str(arguments[0]):
        seen.append(f"{{event}} {{arguments[0]}}")
import multiprocessing, uvicorn, sqlalchemy
before = threading.active_count()
sys.addaudithook(hook)
for name in {_modules()!r}:
    importlib.import_module(name)
assert threading.active_count() == before, threading.enumerate()
assert seen == [], seen
"""
    _python(code)


def test_the_import_contracts_hold() -> None:
    lint = Path(sysconfig.get_path("scripts")) / "lint-imports"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_package_itself_imports_nothing_heavy() -> None:
    loaded = _python("import sys, tidemill; print(sorted(m for m in sys.modules if m.startswith('tidemill')))")
    assert loaded == "['tidemill']"


def test_the_runtime_needs_the_standard_library_only() -> None:
    # predict is the extra [predict]: an HTTP server and numpy are in the predictor's lock
    names = [name for name in _modules() if name.startswith("tidemill_runtime") and ".predict" not in name]
    code = f"import sys, importlib; [importlib.import_module(n) for n in {names!r}]; "
    heavy = ("numpy", "pandas", "uvicorn", "sklearn", "sqlalchemy", "tidemill", "orjson")
    code += f"print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_compiling_a_notebook_loads_neither_fastapi_nor_sqlalchemy() -> None:
    heavy = ("fastapi", "sqlalchemy", "pandas", "optuna")
    code = f"import sys, tidemill.notebooks; print([m for m in {heavy!r} if m in sys.modules])"
    assert _python(code) == "[]"


def test_the_command_line_loads_no_database_and_no_http_before_a_command_asks_for_them() -> None:
    heavy = ("fastapi", "httpx", "numpy", "pydantic", "sqlalchemy", "tidemill.project")
    code = f"import sys; from tidemill.cli.app import build; build(); print([m for m in {heavy!r} if m in sys.modules])"
    assert _python(code) == "[]"

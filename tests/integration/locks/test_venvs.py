"""Virtual environments made by the real uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.processes import ended

from tidemill.base.errors import InvalidInput, StorageFull
from tidemill.base.home import Home
from tidemill.base.site import Site
from tidemill.locks import Lock, Requirements, Venv, ensure_venv, lock, venvs
from tidemill.locks.bytecode import COMPILED_MARKER


def _run(venv: Venv, code: str) -> str:
    done = subprocess.run([venv.python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def _make(site: Site, *lines: str) -> Venv:
    return ensure_venv(site, lock(site, Requirements(lines=lines)), compile_bytecode=False)


def test_a_venv_holds_what_the_lock_names_and_nothing_else(site: Site, wheels: Path) -> None:
    venv = _make(site, "user")
    code = "import importlib.metadata as m; print(sorted(d.name + d.version for d in m.distributions()))"
    assert _run(venv, code) == "['tiny1.0', 'user1.0']"


def test_its_scripts_run_where_it_stands(site: Site, wheels: Path) -> None:
    venv = _make(site, "user")
    done = subprocess.run([venv.path / "bin" / "tiny"], capture_output=True, text=True, check=True)
    assert done.stdout == "tiny 1.0\n"


def test_an_empty_lock_gives_an_isolated_venv_too(site: Site, wheels: Path) -> None:
    venv = _make(site)
    assert _run(venv, "import sys; print(sys.prefix != sys.base_prefix)") == "True"
    with pytest.raises(subprocess.CalledProcessError):
        _run(venv, "import pytest")


def test_the_second_time_it_is_found_and_not_made(site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = _make(site, "tiny")
    monkeypatch.setattr(venvs, "_fill", lambda *_: pytest.fail("made twice"))
    assert _make(site, "tiny") == first


def test_many_who_want_it_at_once_make_it_once(site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = lock(site, Requirements(lines=("tiny",)))
    made: list[Path] = []
    found: list[Venv] = []
    barrier = threading.Barrier(4)
    real = venvs._fill

    def fill(folder: Path, wanted: Lock) -> None:
        made.append(folder)
        real(folder, wanted)

    monkeypatch.setattr(venvs, "_fill", fill)

    def want() -> None:
        barrier.wait(30)
        found.append(ensure_venv(site, locked, compile_bytecode=False))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 1
    assert len(found) == 4
    assert len(set(found)) == 1


_KILLED = """
import sys, time
from pathlib import Path
from tidemill.base.clock import SystemClock
from tidemill.base.database import Database
from tidemill.base.home import Home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.site import Site
from tidemill.locks import Requirements, ensure_venv, lock, venvs
clock = SystemClock()
site = Site(home=Home(path=Path(sys.argv[1])), database=Database("sqlite://"), clock=clock, ids=Uuid7Ids(clock))
real = venvs._fill
def fill(folder, wanted):
    real(folder, wanted)
    print("filled", flush=True)
    time.sleep(600)
venvs._fill = fill
ensure_venv(site, lock(site, Requirements(lines=("tiny",))))
"""


def test_kill_9_in_the_middle_leaves_nothing_that_counts_and_nothing_that_stays(site: Site, wheels: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", _KILLED, str(site.home.path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with ended(process):
        assert process.stdout.readline() == b"filled\n"
    left = [path for path in site.home.venvs.iterdir() if path.is_dir()]
    assert len(left) == 1, "the fault did not happen"
    assert left[0].name.startswith(".")
    venv = _make(site, "tiny")
    assert _run(venv, "import tiny; print(tiny.VERSION)") == "2.0"
    assert [path for path in site.home.venvs.iterdir() if path.is_dir()] == [venv.path]


def test_a_venv_that_never_reached_the_disk_does_not_count_after_a_reboot(
    site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = _make(site, "tiny")
    (venv.path / "left-over").touch()
    monkeypatch.setattr(venvs, "_boot_id", lambda: "another boot")
    assert _make(site, "tiny") == venv
    assert not (venv.path / "left-over").exists()


def test_a_venv_that_was_synced_counts_after_a_reboot(
    site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = _make(site, "tiny")
    (venv.path / COMPILED_MARKER).touch()
    (venv.path / "kept").touch()
    monkeypatch.setattr(venvs, "_boot_id", lambda: "another boot")
    assert _make(site, "tiny") == venv
    assert (venv.path / "kept").exists()


def test_a_venv_whose_python_has_gone_is_made_again(site: Site, wheels: Path) -> None:
    venv = _make(site, "tiny")
    venv.python.unlink()
    assert _run(_make(site, "tiny"), "import tiny; print(tiny.VERSION)") == "2.0"


def test_it_is_byte_compiled_in_the_background(site: Site, wheels: Path) -> None:
    venv = ensure_venv(site, lock(site, Requirements(lines=("tiny",))))
    _wait_for((venv.path / COMPILED_MARKER).exists)
    assert len(list(venv.path.rglob("__pycache__/tiny.*.pyc"))) == 1


def test_a_wheel_that_changed_after_the_lock_is_refused(
    site: Site, wheels: Path, make_wheel: Callable[..., Path]
) -> None:
    locked = lock(site, Requirements(lines=("tiny",)))
    make_wheel("tiny", "2.0", body="STOLEN = True")
    shutil.rmtree(os.environ["UV_CACHE_DIR"])  # it still holds the right one
    with pytest.raises(InvalidInput, match=r"[Hh]ash"):
        ensure_venv(site, locked)
    assert [path for path in site.home.venvs.iterdir() if path.is_dir()] == []


def test_a_lock_of_another_platform_is_refused(site: Site) -> None:
    with pytest.raises(InvalidInput, match="the lock is for plan9-mips"):
        ensure_venv(site, Lock(text="", python_version="3.11", platform="plan9-mips"))


def test_a_full_disk_is_storage_full_and_leaves_nothing(site: Site, wheels: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", small], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    locked = lock(site, Requirements(lines=("tiny",)))
    full = Site(home=Home(path=small), database=site.database, clock=site.clock, ids=site.ids)
    try:
        full.home.venvs.mkdir()
        with pytest.raises(StorageFull):
            ensure_venv(full, locked)
        assert [path for path in full.home.venvs.iterdir() if path.is_dir()] == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_the_callers_python_path_does_not_leak_into_the_making(
    site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "site.py").write_text("raise SystemExit('leaked')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "evil"))
    monkeypatch.setenv("VIRTUAL_ENV", os.devnull)
    assert _run(_make(site, "tiny"), "import tiny; print(tiny.VERSION)") == "2.0"

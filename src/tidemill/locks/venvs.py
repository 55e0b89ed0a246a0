"""The verb ensure_venv: one virtual environment per lock, made once, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.base.canonical import canonical_json
from tidemill.base.errors import InvalidInput, StorageFull, Unavailable
from tidemill.locks.bytecode import COMPILED_MARKER, compile_in_background
from tidemill.locks.interpreter import find_interpreter, platform_name
from tidemill.locks.model import Lock, Venv
from tidemill.locks.runtime import runtime_path
from tidemill.locks.uv import TIMEOUT_SECONDS, run_uv

if TYPE_CHECKING:  # it brings SQLAlchemy, which compiling a notebook must not load
    from tidemill.base.site import Site

DONE_MARKER = "tidemill-venv.json"
_POLL_SECONDS = 0.05


def ensure_venv(site: Site, lock: Lock, *, compile_bytecode: bool = True) -> Venv:
    """The virtual environment of a lock, made when it is missing (0.1 s to minutes), else found in under 1 ms.

    It holds exactly what the lock names. Two processes that want it make it once; one that is killed leaves nothing
    that counts. Raises `InvalidInput` for a lock of another platform or a distribution that cannot be installed,
    `Unavailable` when no package index answers, `StorageFull`.
    """
    name = lock.digest.removeprefix("sha256:")[:32]  # short: a script's first line holds the path, at most 127 bytes
    folder = site.home.venvs / name
    if not _is_done(folder, lock.digest):
        if lock.platform != platform_name():
            raise InvalidInput(
                f"the lock is for {lock.platform}, this machine is {platform_name()}",
                place="lock",
                remedy="lock the requirements again on this machine",
            )
        with _held(site.home.venvs / f"{name}.lock"):
            if not _is_done(folder, lock.digest):
                _make(site, folder, lock, compile_bytecode=compile_bytecode)
    return Venv(path=folder, python=folder / "bin" / "python", lock_digest=lock.digest, runtime=runtime_path(site))


def _is_done(folder: Path, lock_digest: str) -> bool:
    """True for a whole venv; one that nobody synced to the disk counts only until the next boot."""
    try:
        marker = json.loads((folder / DONE_MARKER).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    if marker.get("lock_digest") != lock_digest or not (folder / "bin" / "python").exists():
        return False
    return marker.get("boot_id") == _boot_id() or (folder / COMPILED_MARKER).exists()


def _make(site: Site, folder: Path, lock: Lock, *, compile_bytecode: bool) -> None:
    for left_over in (folder, *site.home.venvs.glob(f".{folder.name}-*")):  # we hold the lock: nobody works on them
        shutil.rmtree(left_over, ignore_errors=True)
    temporary = site.home.venvs / f".{folder.name}-{site.ids.new()}"
    try:
        _fill(temporary, lock)
        marker = {"schema_version": 1, "lock_digest": lock.digest, "boot_id": _boot_id()}
        _write_synced(temporary / "tidemill-lock.txt", lock.text.encode())
        _write_synced(temporary / DONE_MARKER, canonical_json(marker))
        temporary.rename(folder)
    except OSError as problem:
        raise StorageFull(
            f"the virtual environment cannot be written: {problem.strerror}",
            place=str(folder),
            remedy="free some space",
        ) from problem
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if compile_bytecode:
        site_packages = folder / "lib" / f"python{lock.python_version}" / "site-packages"
        compile_in_background(folder, folder / "bin" / "python", site_packages)


def _fill(temporary: Path, lock: Lock) -> None:
    place = f"virtual environment of lock {lock.digest[:19]}"
    interpreter = find_interpreter(lock.python_version)
    # relocatable: scripts find their Python beside them, so that the folder can be renamed into place
    run_uv(
        ["venv", "--quiet", "--no-project", "--relocatable", "--python", interpreter, str(temporary)],
        indexes=lock.indexes,
        stdin="",
        place=place,
    )
    if not lock.text:
        return
    python = str(temporary / "bin" / "python")
    run_uv(
        ["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python, "-r", "-"],
        indexes=lock.indexes,
        stdin=lock.text,
        place=place,
    )


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a file lock against other processes and threads; it falls with the process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        "another process has been making this virtual environment for too long",
                        place=str(path),
                        remedy="look for it with: tidemill doctor",
                    ) from None
                time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"  # off Linux: counted as one long boot

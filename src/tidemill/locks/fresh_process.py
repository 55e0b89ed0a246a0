"""The verb run_module: one program of `tidemill_runtime`, in a fresh process of a venv, with a request and a reply."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tidemill.base.errors import RunFailed, StorageFull
from tidemill.locks.model import Venv

GRACE_SECONDS = 5.0
LOG_LINES = 20
_LOG_TAIL_BYTES = 16_384
_KEPT = frozenset(
    {"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR"}
)


def run_module(
    venv: Venv, module: str, request: dict[str, Any], *, timeout_seconds: float, log: Path
) -> dict[str, Any]:
    """Run `python -m MODULE REPLY_PATH` with the request as JSON on standard input; return the JSON object it wrote.

    The process has its own group, an empty working folder and an environment of few variables; its output goes to
    `log`. Raises `RunFailed` with the last log lines when it fails, writes no reply, or takes longer than
    `timeout_seconds` (then the group gets TERM and, 5 s later, KILL).
    """
    with tempfile.TemporaryDirectory(prefix="tidemill-module-", ignore_cleanup_errors=True) as folder:
        work = Path(folder)
        reply = work / "reply.json"
        (work / "cwd").mkdir()
        try:
            (work / "request.json").write_text(json.dumps(request), encoding="utf-8")
            log.parent.mkdir(parents=True, exist_ok=True)
            status = _run(venv, module, work, reply, log, timeout_seconds)
        except OSError as problem:
            raise StorageFull(
                f"{module} cannot be started: {problem.strerror}", place=problem.filename, remedy="free some space"
            ) from problem
        return _read_reply(module, status, reply, log, timeout_seconds)


def module_environment(runtime: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a fresh process: nothing of ours leaks in, native libraries take one thread."""
    return {
        "PATH": os.defpath,
        **{name: value for name, value in environ.items() if name in _KEPT},
        "PYTHONPATH": str(runtime),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _run(venv: Venv, module: str, work: Path, reply: Path, log: Path, timeout_seconds: float) -> int | None:
    """The exit status, or None after a timeout."""
    with (work / "request.json").open("rb") as stdin, log.open("ab") as output:
        process = subprocess.Popen(
            [str(venv.python), "-m", module, str(reply)],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=work / "cwd",
            env=module_environment(venv.runtime, os.environ),
            start_new_session=True,
        )
    try:
        return process.wait(timeout_seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what is left of the group: the process when it is late, and children that outlived it."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(group, number)


def _read_reply(module: str, status: int | None, reply: Path, log: Path, timeout_seconds: float) -> dict[str, Any]:
    if status is None:
        raise _failure(f"{module} took longer than {timeout_seconds:g} s", log)
    if status != 0:
        ended = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        raise _failure(f"{module} {ended}", log)
    try:
        answer = json.loads(reply.read_bytes())
    except FileNotFoundError as problem:
        raise _failure(f"{module} ended without a reply", log) from problem
    except ValueError as problem:
        raise _failure(f"{module} wrote a reply that is not JSON", log) from problem
    if not isinstance(answer, dict):
        raise _failure(f"{module} wrote a reply that is not an object", log)
    return answer


def _failure(message: str, log: Path) -> RunFailed:
    lines = last_lines(log)
    text = message + (":\n" + "\n".join(lines) if lines else "")
    return RunFailed(text, place=str(log), remedy="read the whole log")


def last_lines(log: Path) -> list[str]:
    """The last lines of a log, at most `LOG_LINES`."""
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LOG_TAIL_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:]

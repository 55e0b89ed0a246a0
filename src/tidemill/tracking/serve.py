"""The process `mlflow`: makes MLflow's environment where it is missing, and becomes MLflow's server."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from tidemill.base.errors import TidemillError
from tidemill.base.home import Home

IDLE_SECONDS = 600.0
WORKSPACE_HEADER = "X-MLflow-Workspace"
REMEDY = "the log mlflow.log of the home says more"
_PROGRAM = Path(__file__).with_name("program.py")
_INHERITED = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH"})
log = logging.getLogger(__name__)


def mlflow_socket(home: Home) -> Path:
    """Where the site's MLflow answers: 0600, in a folder of the owner's; who connects starts it."""
    return home.sockets / "mlflow.sock"


def mlflow_folder(home: Home) -> Path:
    """MLflow's own database and artifacts."""
    return home.path / "mlflow"


def serve_mlflow(home: Home, listener: socket.socket, find_python: Callable[[], Path]) -> None:
    """Replace this process by MLflow's server on the socket; it ends when nobody has asked for `IDLE_SECONDS`.

    When MLflow's environment cannot be had, whoever waits is told so, and this returns: the next one is tried for anew.
    """
    _end_with_children()
    try:
        python = find_python()
    except TidemillError as problem:
        log.error("MLflow's environment could not be made: %s", problem)
        refuse_waiting(listener, problem)
        return
    folder = mlflow_folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    listener.set_inheritable(True)
    argv = [str(python), "-I", "-X", "utf8", str(_PROGRAM), str(listener.fileno()), str(folder), str(IDLE_SECONDS)]
    os.chdir(folder)
    os.execve(python, argv, environment_of(os.environ))


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """What MLflow sees of our environment: no token, no credential, no setting of ours."""
    kept = {name: value for name, value in variables.items() if name in _INHERITED}
    return {**kept, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}


def refuse_waiting(listener: socket.socket, problem: TidemillError) -> None:
    """Answer all who wait on the socket with 503 and the reason, in the form that MLflow's clients read."""
    body = json.dumps({"error_code": "TEMPORARILY_UNAVAILABLE", "message": str(problem)}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    listener.setblocking(False)
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        except ConnectionError:
            continue
        with connection:
            _refuse(connection, head.encode() + body)


def _refuse(connection: socket.socket, answer: bytes) -> None:
    connection.settimeout(2.0)
    try:
        connection.recv(1 << 16)  # who is still sending would not hear it
        connection.sendall(answer)
    except OSError as problem:
        log.info("who waited has gone: %s", problem)


def _end_with_children() -> None:
    """The processes that make the environment end with this one; the supervisor put us into a group of our own."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.killpg(0, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)

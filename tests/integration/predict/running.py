"""A predictor in its own process for tests, and plain HTTP to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[3]
READY_SECONDS = 20.0


@dataclass
class Running:
    """A predictor that listens on a port of its own."""

    process: subprocess.Popen[bytes]
    url: str
    client: httpx.Client

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST a JSON value, or bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=content, headers=headers)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Signal the predictor and wait for its end; its exit status."""
        self.process.send_signal(number)
        return self.process.wait(20)


def environment() -> dict[str, str]:
    """What a predictor of the small test models needs."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@contextmanager
def predictor(package: Path, *, name: str = "car", **argument: Any) -> Iterator[Running]:
    """A predictor of a package, ready; ended when the test has not done so."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    with listener:
        told = {
            "package": str(package),
            "model_name": name,
            "allow_pickle": True,
            "fd": listener.fileno(),
            **argument,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tidemill_runtime.predict", json.dumps(told)],
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=READY_SECONDS) as client:
            try:
                assert client.get("/v2/health/ready").status_code == 200
                yield Running(process=process, url=url, client=client)
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()
                assert process.stderr is not None
                process.stderr.close()


def until(condition: Any, seconds: float = 10.0) -> Any:
    """The first true value of `condition()`; fails after a deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")

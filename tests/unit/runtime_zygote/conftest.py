"""A launcher with real zygotes, and a way to run a bit of Python in a child."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tidemill_runtime
from tidemill.engine.launchers import Exited, LaunchRequest, ProcessLauncher

RUNTIME = Path(tidemill_runtime.__file__).parent.parent


@dataclass
class Nursery:
    """Runs texts as programs; `log` is what the last one wrote."""

    launcher: ProcessLauncher
    folder: Path
    count: int = 0

    def request(self, program: dict[str, Any], **more: Any) -> LaunchRequest:
        """A request of a program in the nursery's folder."""
        self.count += 1
        key = f"program-{self.count}"
        return LaunchRequest(
            **{
                "key": key,
                "python": Path(sys.executable),
                "runtime": RUNTIME,
                "program": program,
                "folder": self.folder,
                "log": self.folder / f"{key}.log",
                "environment": {"HOME": str(self.folder)},
                **more,
            }
        )

    def start(self, text: str, **more: Any) -> LaunchRequest:
        """Start a text as a program."""
        name = f"text_{self.count}"
        (self.folder / f"{name}.py").write_text(text)
        request = self.request({"kind": "module", "module": name, "args": []}, **more)
        self.launcher.launch(request)
        return request

    def wait(self, request: LaunchRequest, within_seconds: float = 20.0) -> tuple[Exited, str]:
        """The end of a program and its log."""
        deadline = time.monotonic() + within_seconds
        while time.monotonic() < deadline:
            for exited in self.launcher.events(0.1):
                if exited.key == request.key:
                    log = request.log
                    return exited, log.read_text() if log.exists() else ""
        raise AssertionError("the program did not end")

    def run(self, text: str, **more: Any) -> tuple[Exited, str]:
        """Run a text to its end."""
        return self.wait(self.start(text, **more))


def wait_until(condition: Callable[[], bool], within_seconds: float = 10.0) -> None:
    """Poll until something is so."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.005)


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    """A nursery with a launcher of its own."""
    launcher = ProcessLauncher(owner=f"nursery-{tmp_path.name}", logs=tmp_path / "logs", runtime=RUNTIME)
    yield Nursery(launcher=launcher, folder=tmp_path)
    launcher.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Polls until something is so."""
    return wait_until

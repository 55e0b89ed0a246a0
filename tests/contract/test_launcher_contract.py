"""The contract of a launcher; processes and the fake pass it."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

import tidemill_runtime
from tidemill.engine.launchers import Exited, Launcher, LaunchRequest, MemoryLauncher, ProcessLauncher
from tidemill.engine.launchers.memory import Hang

RUNTIME = Path(tidemill_runtime.__file__).parent.parent


def ended(launcher: Launcher, key: str, within_seconds: float = 20.0) -> Exited:
    """The end of one program."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        for exited in launcher.events(0.2):
            if exited.key == key:
                return exited
    raise AssertionError(f"{key} did not end in {within_seconds} s")


class LauncherContract:
    """What every `Launcher` does."""

    programs: ClassVar[dict[str, dict[str, Any]]]

    @pytest.fixture
    def launcher(self, tmp_path: Path) -> Iterator[Launcher]:
        """A launcher that knows the programs `succeeds`, `fails` (status 3), `hangs` and `ignores_term`."""
        raise NotImplementedError

    def request(self, tmp_path: Path, key: str, program: str) -> LaunchRequest:
        """A request of a named program."""
        return LaunchRequest(
            key=key,
            python=Path(sys.executable),
            runtime=RUNTIME,
            program=self.programs[program],
            folder=tmp_path,
            log=tmp_path / f"{key}.log",
        )

    def started(self, tmp_path: Path, key: str) -> None:
        """Wait until a program of processes is at work."""

    def test_the_end_of_a_program_is_told_once(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "a", "succeeds"))
        exited = ended(launcher, "a")
        assert (exited.status, exited.signal, exited.lost) == (0, None, None)
        assert exited.max_rss_bytes is not None
        assert launcher.events(0.05) == []

    def test_a_failing_program_tells_its_status(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "a", "fails"))
        assert ended(launcher, "a").status == 3

    def test_several_programs_run_at_a_time(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "slow", "hangs"))
        launcher.launch(self.request(tmp_path, "quick", "succeeds"))
        assert ended(launcher, "quick").status == 0
        launcher.kill("slow", signal.SIGKILL)
        assert ended(launcher, "slow").signal == signal.SIGKILL

    def test_term_ends_a_program_that_listens(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "a", "hangs"))
        self.started(tmp_path, "a")
        launcher.kill("a", signal.SIGTERM)
        assert ended(launcher, "a").signal == signal.SIGTERM

    def test_kill_ends_a_program_that_does_not(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "a", "ignores_term"))
        self.started(tmp_path, "a")
        launcher.kill("a", signal.SIGTERM)
        assert launcher.events(0.1) == []
        launcher.kill("a", signal.SIGKILL)
        assert ended(launcher, "a").signal == signal.SIGKILL

    def test_killing_what_has_ended_is_no_error(self, launcher: Launcher, tmp_path: Path) -> None:
        launcher.launch(self.request(tmp_path, "a", "succeeds"))
        ended(launcher, "a")
        launcher.kill("a", signal.SIGKILL)
        launcher.kill("never", signal.SIGKILL)
        assert launcher.events(0.05) == []

    def test_wake_ends_a_wait(self, launcher: Launcher) -> None:
        launcher.wake()
        before = time.monotonic()
        assert launcher.events(10.0) == []
        assert time.monotonic() - before < 5

    def test_a_key_may_be_used_again_after_its_program_has_ended(self, launcher: Launcher, tmp_path: Path) -> None:
        for program, status in (("fails", 3), ("succeeds", 0)):
            launcher.launch(self.request(tmp_path, "a", program))
            assert ended(launcher, "a").status == status


def _fake(request: LaunchRequest) -> int | Hang:
    results: dict[str, int | Hang] = {
        "succeeds": 0,
        "fails": 3,
        "hangs": Hang(),
        "ignores_term": Hang(ignores_term=True),
    }
    return results[request.program["argv"][0]]


class TestMemoryLauncher(LauncherContract):
    """The fake."""

    programs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"kind": "argv", "argv": [name]} for name in ("succeeds", "fails", "hangs", "ignores_term")
    }

    @pytest.fixture
    def launcher(self, tmp_path: Path) -> Iterator[Launcher]:
        made = MemoryLauncher(_fake)
        yield made
        made.close()


class _Processes(LauncherContract):
    @pytest.fixture
    def launcher(self, tmp_path: Path) -> Iterator[Launcher]:
        for name, text in SOURCES.items():
            (tmp_path / f"program_{name}.py").write_text(text)
        made = ProcessLauncher(owner="contract", logs=tmp_path / "logs", runtime=RUNTIME)
        yield made
        made.close()

    def started(self, tmp_path: Path, key: str) -> None:
        deadline = time.monotonic() + 20
        log = tmp_path / f"{key}.log"
        while time.monotonic() < deadline:
            if log.exists() and "ready" in log.read_text():
                return
            time.sleep(0.005)
        raise AssertionError("the program did not start")


SOURCES = {
    "succeeds": "pass",
    "fails": "raise SystemExit(3)",
    "hangs": "import time; print('ready'); time.sleep(60)",
    "ignores_term": "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('ready')\ntime.sleep(60)",
}


class TestForkedProcesses(_Processes):
    """Forks of a warm zygote."""

    programs: ClassVar[dict[str, dict[str, Any]]] = {
        name: {"kind": "module", "module": f"program_{name}", "args": []} for name in SOURCES
    }


class TestSpawnedProcesses(_Processes):
    """Fresh interpreters, for what may not be forked."""

    programs = TestForkedProcesses.programs

    def request(self, tmp_path: Path, key: str, program: str) -> LaunchRequest:
        return replace(super().request(tmp_path, key, program), may_fork=False)


class TestCommandLines(_Processes):
    """Programs that are no Python."""

    programs: ClassVar[dict[str, dict[str, Any]]] = {
        "succeeds": {"kind": "argv", "argv": ["true"]},
        "fails": {"kind": "argv", "argv": ["sh", "-c", "exit 3"]},
        "hangs": {"kind": "argv", "argv": ["sh", "-c", "echo ready; exec sleep 60"]},
        "ignores_term": {"kind": "argv", "argv": ["sh", "-c", "trap '' TERM; echo ready; sleep 60; sleep 60"]},
    }

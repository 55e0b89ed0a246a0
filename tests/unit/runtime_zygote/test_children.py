"""A forked child is a process like any other: nothing of the zygote and nothing of its siblings shows in it."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tidemill.engine.launchers import Limits
from tidemill_runtime.fork import kernel


def test_a_child_has_its_own_session_folder_streams_and_signals(nursery: Any) -> None:
    exited, log = nursery.run(
        """
import json, os, signal, sys
print(json.dumps({
    "session": os.getsid(0) == os.getpid(), "group": os.getpgrp() == os.getpid(), "cwd": os.getcwd(),
    "stdin": sys.stdin.read(), "argv": sys.argv[1:], "home": os.environ["HOME"], "umask": os.umask(0),
    "fds": [fd if int(fd) < 3 else "line" for fd in sorted(os.listdir("/proc/self/fd"))[:-1]], "first": sys.path[0],
    "int": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "chld": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
    "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "blocked": list(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "main": __name__,
}))
"""
    )
    assert exited.status == 0
    seen = json.loads(log)
    assert seen == {
        "session": True,
        "group": True,
        "cwd": str(nursery.folder),
        "stdin": "",
        "argv": [],
        "home": str(nursery.folder),
        "umask": 0o022,
        "fds": ["0", "1", "2", "line"],
        "first": str(nursery.folder),
        "int": True,
        "chld": True,
        "term": True,
        "blocked": [],
        "main": "__main__",
    }


def test_what_one_child_changes_the_next_does_not_see(nursery: Any) -> None:
    nursery.run("import json, os; json.spoiled = True; os.environ['SPOILED'] = '1'", preload=("json",))
    _, log = nursery.run("import json, os; print(hasattr(json, 'spoiled'), 'SPOILED' in os.environ)")
    assert log == "False False\n"


def test_the_environment_is_what_was_asked_for_and_nothing_else(nursery: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SHELL", "hush")
    _, log = nursery.run(
        "import os; print(os.environ.get('SECRET_OF_THE_SHELL'), os.environ['MINE'])", environment={"MINE": "1"}
    )
    assert log == "None 1\n"


def test_equal_seeds_give_equal_numbers_and_children_do_not_share_a_stream(nursery: Any) -> None:
    text = "import random, numpy; print(random.random(), numpy.random.rand())"
    logs = [nursery.run(text, seed=seed, preload=("numpy", "random"))[1] for seed in (1, 1, 2)]
    assert logs[0] == logs[1] != logs[2]


def test_modules_are_imported_once_in_the_zygote(nursery: Any) -> None:
    text = "import sys; before = 'colorsys' in sys.modules; print(before)"
    assert nursery.run(text)[1] == "False\n"
    assert nursery.run(text, preload=("colorsys",))[1] == "True\n"
    assert nursery.run(text)[1] == "True\n"


def test_what_a_program_imports_is_there_already_for_the_next(nursery: Any) -> None:
    text = "import sys; print('imaplib' in sys.modules); import imaplib"
    (nursery.folder / "project_module.py").write_text("")
    assert nursery.run(text + "\nimport project_module")[1] == "False\n"
    assert nursery.run(text)[1] == "True\n"
    assert nursery.run("import sys; print('project_module' in sys.modules)")[1] == "False\n"
    assert list((nursery.folder / "logs").glob("modules-*")) == []


def test_a_module_that_cannot_be_imported_is_left_to_the_program(nursery: Any) -> None:
    exited, log = nursery.run("import does_not_exist", preload=("does_not_exist",))
    assert exited.status == 1
    assert "ModuleNotFoundError" in log


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('words')", 1, "words"),
        ("raise ValueError('on purpose')", 1, "ValueError: on purpose"),
        ("import os; os._exit(9)", 9, ""),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("import sys; sys.exit()", 0, ""),
    ],
)
def test_the_status_is_that_of_a_python_of_its_own(nursery: Any, text: str, status: int, said: str) -> None:
    exited, log = nursery.run(text)
    assert exited.status == status
    assert said in log


def test_a_signal_is_told(nursery: Any) -> None:
    exited, _ = nursery.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert exited.signal == signal.SIGSEGV


def test_exit_functions_run_threads_are_joined_and_streams_are_flushed(nursery: Any) -> None:
    _, log = nursery.run(
        """
import atexit, sys, threading, time
atexit.register(print, "at exit")
threading.Thread(target=lambda: (time.sleep(0.1), print("thread"))).start()
sys.stdout.write("no newline ")
"""
    )
    assert log == "no newline thread\nat exit\n"


def test_multiprocessing_works_with_functions_of_the_program(nursery: Any) -> None:
    exited, log = nursery.run(
        """
import multiprocessing
def double(number):
    return number * 2
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(pool.map(double, [1, 2]))
"""
    )
    assert exited.status == 0, log
    assert log.splitlines()[-2:] == ["[2, 4]", "[2, 4]"]


def test_memory_above_the_limit_is_a_memory_error(nursery: Any) -> None:
    exited, log = nursery.run("bytearray(600 << 20)", limits=Limits(data_bytes=300 << 20))
    assert exited.status == 1
    assert "MemoryError" in log


def test_cpu_time_above_the_limit_says_so(nursery: Any) -> None:
    exited, _ = nursery.run("while True: pass", limits=Limits(cpu_seconds=1))
    assert exited.signal == signal.SIGXCPU


def test_an_entry_function_gets_its_argument_and_inherited_descriptors(nursery: Any) -> None:
    (nursery.folder / "entry_module.py").write_text(
        """
import json, os, socket
def main(argument, descriptors):
    listener = socket.socket(fileno=descriptors["listener"])
    print(json.dumps([argument, listener.getsockname()[1],
        os.environ["TIDEMILL_FD_LISTENER"] == str(listener.fileno())]))
    return 4
"""
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        request = nursery.request(
            {"kind": "entry", "entry": "entry_module:main", "argument": {"model": "fuel"}},
            descriptors={"listener": listener.fileno()},
        )
        nursery.launcher.launch(request)
        exited, log = nursery.wait(request)
    assert exited.status == 4, log
    assert json.loads(log) == [{"model": "fuel"}, port, True]


def test_big_arguments_arrive_whole(nursery: Any) -> None:
    text = "x" * (2 << 20)
    (nursery.folder / "measure.py").write_text("import sys; print(len(sys.argv[1]))")
    request = nursery.request({"kind": "module", "module": "measure", "args": [text]})
    nursery.launcher.launch(request)
    assert nursery.wait(request)[1] == f"{2 << 20}\n"


def test_a_command_that_is_not_there_says_so(nursery: Any) -> None:
    request = nursery.request({"kind": "argv", "argv": ["no-such-program"]})
    nursery.launcher.launch(request)
    exited, log = nursery.wait(request)
    assert exited.status == 127
    assert "no-such-program: No such file" in log


def test_a_log_that_cannot_be_written_fails_the_program_and_not_the_zygote(nursery: Any, tmp_path: Path) -> None:
    request = nursery.request({"kind": "argv", "argv": ["true"]}, log=tmp_path / "missing" / "log")
    nursery.launcher.launch(request)
    assert nursery.wait(request)[0].status == 125
    assert nursery.run("pass")[0].status == 0


def test_many_forks_leave_nothing_behind(nursery: Any, until: Callable[..., None]) -> None:
    nursery.run("pass")
    (zygote,) = nursery.launcher._zygotes.values()
    until(lambda: len(kernel.children_of(zygote.pid)) == 1)  # the one forked ahead
    descriptors = len(os.listdir(f"/proc/{zygote.pid}/fd"))
    for _ in range(60):
        assert nursery.run("pass")[0].status == 0
    until(lambda: len(kernel.children_of(zygote.pid)) == 1)
    assert len(os.listdir(f"/proc/{zygote.pid}/fd")) == descriptors


def test_the_next_program_is_the_child_that_was_forked_ahead(nursery: Any, until: Callable[..., None]) -> None:
    assert nursery.run("pass")[0].status == 0
    (zygote,) = nursery.launcher._zygotes.values()
    until(lambda: len(kernel.children_of(zygote.pid)) == 1)
    (spare,) = kernel.children_of(zygote.pid)
    assert nursery.run("import os; print(os.getpid())")[1] == f"{spare}\n"


def test_a_child_forked_ahead_that_dies_is_replaced(nursery: Any, until: Callable[..., None]) -> None:
    assert nursery.run("pass")[0].status == 0
    (zygote,) = nursery.launcher._zygotes.values()
    until(lambda: len(kernel.children_of(zygote.pid)) == 1)
    (spare,) = kernel.children_of(zygote.pid)
    os.kill(spare, signal.SIGKILL)
    until(lambda: kernel.state_of(spare) in ("", "Z", "X"))  # a killed process dies a moment later
    exited, log = nursery.run("import os; print(os.getpid())")
    assert (exited.status, log == f"{spare}\n") == (0, False)


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_is_told_with_a_thread_or_a_process_left_over_too(nursery: Any, status: int) -> None:
    for left in (
        "import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "import subprocess; subprocess.Popen(['sleep', '60'])",
        "pass",
    ):
        exited, _ = nursery.run(f"{left}\nimport sys; sys.exit({status})")
        assert (exited.status, exited.signal, exited.max_rss_bytes > 1_000_000) == (status, None, True)

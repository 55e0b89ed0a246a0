"""Running one program in a process of its own: a module, a command line, or a function; and ending the process."""

from __future__ import annotations

import atexit
import importlib
import io
import os
import random
import runpy
import signal
import sys
import threading
import traceback
from typing import Any, Dict, Mapping, cast

EXIT_SET_UP_FAILED = 125
EXIT_COMMAND_NOT_FOUND = 127


def seed_generators(seed: int) -> None:
    """Seed the global generators of `random` and, when they are loaded, of numpy and torch."""
    random.seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "random"):
        numpy.random.seed(seed % 2**32)
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "manual_seed"):
        torch.manual_seed(seed)


def stream_lines() -> None:
    """Write each line at once, so that a log can be followed, and never fail for a character."""
    for stream in (sys.stdout, sys.stderr):
        cast(io.TextIOWrapper, stream).reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")


def run_program(program: Mapping[str, Any], descriptors: Dict[str, int]) -> int:
    """Run it and return the exit status; a command line replaces this process and does not return.

    `program` is {"kind": "module", "module", "args"}, {"kind": "argv", "argv"} or {"kind": "entry", "entry":
    "module:function", "argument"}; the function is called as `function(argument, descriptors)`.
    """
    try:
        return _run(program, descriptors)
    except SystemExit as ending:
        return _status_of(ending)
    except KeyboardInterrupt:
        traceback.print_exc()
        return 130
    except BaseException:  # noqa: BLE001  # the end of the line: the traceback goes to the log, the status says it
        sys.excepthook(*sys.exc_info())
        return 1


def _run(program: Mapping[str, Any], descriptors: Dict[str, int]) -> int:
    kind = program["kind"]
    if kind == "argv":
        return _replace_process(program["argv"])
    sys.path.insert(0, os.getcwd())
    if kind == "module":
        name = program["module"]
        sys.argv = [name, *program["args"]]
        # A copy imported by the zygote would make runpy warn; what it imported itself stays warm.
        sys.modules.pop(name, None)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
        return 0
    if kind == "entry":
        module_name, _, function_name = program["entry"].partition(":")
        sys.argv = [module_name]
        function = getattr(importlib.import_module(module_name), function_name)
        result = function(program.get("argument"), descriptors)
        return result if isinstance(result, int) else 0
    raise ValueError(f"unknown kind of program: {kind!r}")


def _replace_process(argv: Any) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them; other programs do not expect that
    try:
        os.execvp(argv[0], argv)
    except OSError as problem:
        sys.stderr.write(f"{argv[0]}: {problem.strerror}\n")
        return EXIT_COMMAND_NOT_FOUND


def _status_of(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if isinstance(ending.code, int):
        return ending.code & 0xFF
    sys.stderr.write(f"{ending.code}\n")
    return 1


def finish(status: int) -> int:
    """End as the interpreter would, short of leaving: threads joined, exit functions run, streams flushed.

    What is left to do is `os._exit` with the status returned.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # joins as Py_FinalizeEx does; by hand a loky step hung
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001  # an exit function that fails must not keep the process from ending
        traceback.print_exc()
        status = status or 1
    return _flush(status)


def _flush(status: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # a full disk, or a stream that the step closed
            status = status or 1
    return status

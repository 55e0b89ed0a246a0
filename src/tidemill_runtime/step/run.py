"""Running a step from its first import to its executor output."""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import sys
import tempfile
import time
import warnings
from typing import Any, Dict, Iterator, Mapping, Optional, Tuple

from tidemill_runtime.step.failure import NO_SPACE, Failure, failure_of, is_no_space
from tidemill_runtime.step.files import place_files
from tidemill_runtime.step.output import Captured, Outputs
from tidemill_runtime.step.problems import VariableError
from tidemill_runtime.step.program import CellCode, StepProgram
from tidemill_runtime.step.random_state import restore_random_state, save_random_state
from tidemill_runtime.step.report import report_html
from tidemill_runtime.step.session import Session
from tidemill_runtime.step.shell import Shell
from tidemill_runtime.step.variables import Variables
from tidemill_runtime.step.wire import ExecutorInput, write_json

METRICS_FILE_VARIABLE = "TIDEMILL_METRICS"


def run_step(wire: ExecutorInput, program: StepProgram, files: Mapping[str, str]) -> int:
    """Run a step; 0 when it succeeded, else 1 with `failure.json` written. The report is written in both cases.

    On a full disk either may be missing.

    `files` gives, by input artifact, the relative path at which the notebook's code looks for it.
    """
    runner = _Runner(wire, program, files)
    with _environment(runner):
        failure = runner.run()
    try:
        runner.write_report(failure)
        if failure is None:
            wire.write_output()
            return 0
    except OSError as problem:
        if failure is None:
            failure = failure_of(problem, program.notebook, program.step, None)
    _tell(wire, failure)
    return 1


def _tell(wire: ExecutorInput, failure: Failure) -> None:
    """Write a failure to `failure.json` and the log; where there is no room, outputs make some: nobody takes them."""
    if failure.error == NO_SPACE:
        wire.remove_outputs()
    if wire.failure_file:
        with contextlib.suppress(OSError):
            write_json(wire.failure_file, failure.to_json())
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.write(str(failure))
        sys.stderr.flush()


@contextlib.contextmanager
def _environment(runner: _Runner) -> Iterator[None]:
    """`display` and `get_ipython` as in a kernel, a matplotlib that needs no screen, and the notebook's own modules."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    warnings.filterwarnings("ignore", message=".*non-interactive, and thus cannot be shown")
    shell = Shell(runner.session.names)
    given: Dict[str, Any] = {"display": runner.outputs.show, "get_ipython": lambda: shell}
    before = {name: getattr(builtins, name, None) for name in given}
    vars(builtins).update(given)
    with tempfile.TemporaryDirectory(prefix="tidemill-modules-") as folder:
        if runner.program.modules:
            _write_modules(folder, runner.program.modules)
            sys.path.insert(0, folder)
        try:
            with runner.outputs.streams():
                yield
        finally:
            if folder in sys.path:
                sys.path.remove(folder)
            runner.session.close()
            for name, value in before.items():
                if value is None:
                    delattr(builtins, name)
                else:
                    setattr(builtins, name, value)


def _write_modules(folder: str, modules: Mapping[str, str]) -> None:
    for relative, source in modules.items():
        path = os.path.join(folder, *relative.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)


class _Runner:
    """The parts of a running step."""

    def __init__(self, wire: ExecutorInput, program: StepProgram, files: Mapping[str, str]) -> None:
        self.program = program
        self._files = files
        self.outputs = Outputs()
        self.session = Session(program.notebook, self.outputs.show)
        self._wire = wire
        self._variables = Variables(self.session, wire, program)
        self._cell: Optional[int] = None
        self._told: Dict[str, float] = {}

    def run(self) -> Optional[Failure]:
        """Everything; gives the failure when there is one."""
        try:
            self._prepare()
            for cell in self.program.cells:
                self._run_cell(cell)
            self._finish()
        except VariableError as problem:
            number = problem.cell or (self._cell if self._cell is not None else self._first_cell())
            error = NO_SPACE if is_no_space(problem) else None
            return Failure(str(problem), self.program.notebook, self.program.step, number, problem.line, "", error)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # noqa: BLE001  # a cell may raise anything, SystemExit too: it fails the step
            return failure_of(problem, self.program.notebook, self.program.step, self._cell)
        return None

    def _first_cell(self) -> Optional[int]:
        return self.program.cells[0].cell if self.program.cells else None

    def _prepare(self) -> None:
        place_files(self._wire, self._files)
        self._variables.bind_parameters()
        for cell in self.program.prelude:
            self._quietly(cell)
        self._variables.remember_shared()
        for cell in self.program.imports:
            self._quietly(cell)
        self._cell = None
        self._variables.load()
        for cell in self.program.settings:
            self._quietly(cell)
        path = self._wire.input_path(self.program.random_input) if self.program.random_input else None
        if path is not None:
            restore_random_state(path)

    def _quietly(self, cell: CellCode) -> None:
        """Run a cell of the prelude: what it shows is not this step's, what it prints goes to the log."""
        self._cell = cell.cell
        self.session.run(cell.code, cell.cell)
        self.outputs.keep_figures()

    def _run_cell(self, cell: CellCode) -> None:
        self._cell = cell.cell
        record = self.outputs.begin(cell.cell, cell.source)
        started = time.monotonic()
        capture = io.StringIO() if cell.capture is not None else None
        self.outputs.captured = capture
        try:
            self.session.run(cell.code, cell.cell)
            self.outputs.keep_figures()
        finally:
            self.outputs.captured = None
            record.seconds = time.monotonic() - started
        if capture is not None and cell.capture:
            self.session.names[cell.capture] = Captured(capture.getvalue())
        self._tell_metrics()

    def _tell_metrics(self) -> None:
        """Append metrics that are new or changed to the live file, a JSON object a line."""
        path = os.environ.get(METRICS_FILE_VARIABLE)
        for name in self.program.metrics:
            number = self._variables.number(name)
            if number is None or self._told.get(name) == number:
                continue
            self._told[name] = number
            if path:
                with open(path, "a", encoding="utf-8") as file:
                    line = {"name": name, "value": number, "step": self.program.step, "cell": self._cell}
                    file.write(json.dumps(line, sort_keys=True) + "\n")

    def _finish(self) -> None:
        self._variables.check()
        self._variables.store()
        metrics = self._metrics()
        if metrics is not None:
            name, numbers = metrics
            path = self._wire.output_path(name)
            if path is not None:
                write_json(path, numbers)
                self._wire.describe(name, numbers)
        path = self._wire.output_path(self.program.random_output) if self.program.random_output else None
        if path is not None:
            save_random_state(path)

    def _metrics(self) -> Optional[Tuple[str, Dict[str, float]]]:
        if self.program.metrics_artifact is None:
            return None
        found = {name: self._variables.number(name) for name in self.program.metrics}
        return self.program.metrics_artifact, {name: number for name, number in found.items() if number is not None}

    def write_report(self, failure: Optional[Failure]) -> None:
        """Write the HTML report, if the step has one."""
        path = self._wire.output_path(self.program.report) if self.program.report else None
        if path is None:
            return
        text = report_html(
            self.program.notebook, self.program.step, self.outputs.records, str(failure) if failure else None
        )
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)

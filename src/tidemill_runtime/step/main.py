"""Entry point of the step executor: arguments in, exit status out."""

from __future__ import annotations

import argparse
import json
from typing import List

from tidemill_runtime.step.program import StepProgram, read_program
from tidemill_runtime.step.run import run_step
from tidemill_runtime.step.wire import ExecutorInput


def main(arguments: List[str]) -> int:
    """Run the step that the arguments describe; 0 when it succeeded, 1 when a cell or a variable failed.

    `--executor_input` is KFP's JSON. `--program` may come several times: its parts are one JSON text.
    `--files` is a JSON object: artifact name -> relative path at which the code looks for it.
    """
    parser = argparse.ArgumentParser(prog="tidemill_runtime.step", allow_abbrev=False)
    parser.add_argument("--executor_input", required=True)
    parser.add_argument("--program", required=True, action="append")
    parser.add_argument("--files", default="{}")
    given = parser.parse_args(arguments)
    program: StepProgram = read_program(json.loads("".join(given.program)))
    return run_step(ExecutorInput(json.loads(given.executor_input)), program, json.loads(given.files))

"""The program of a notebook's step, as the registry reads it from a spec."""

from __future__ import annotations

from tidemill.locks import Requirements, StepCommand, StepKind
from tidemill.notebooks.program import MAX_ARGUMENT_BYTES, program_arguments
from tidemill.registry.run_step import program_of


def test_a_program_that_is_cut_into_several_arguments_is_read_whole() -> None:
    program = {"step": "a", "code": "é" * MAX_ARGUMENT_BYTES}
    arguments = tuple(program_arguments(program))
    assert arguments.count("--program") > 1
    command = StepCommand(
        requirements=Requirements(lines=()),
        kind=StepKind.RUNTIME,
        module="tidemill_runtime.step",
        source=None,
        argv=("--executor_input", "{{$}}", *arguments),
    )
    assert program_of(command) == program

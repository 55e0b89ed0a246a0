"""Locks and venvs: requirements become a lock with hashes, a lock becomes one virtual environment, made once."""

from tidemill.locks.combine import combine
from tidemill.locks.commands import pip_command_requirements
from tidemill.locks.fresh_process import run_module
from tidemill.locks.model import Indexes, Lock, Requirements, StepCommand, StepKind, Venv, running_python
from tidemill.locks.resolve import lock
from tidemill.locks.runtime import runtime_path
from tidemill.locks.tools import ensure_tool
from tidemill.locks.venvs import ensure_venv

__all__ = [
    "Indexes",
    "Lock",
    "Requirements",
    "StepCommand",
    "StepKind",
    "Venv",
    "combine",
    "ensure_tool",
    "ensure_venv",
    "lock",
    "pip_command_requirements",
    "run_module",
    "running_python",
    "runtime_path",
]

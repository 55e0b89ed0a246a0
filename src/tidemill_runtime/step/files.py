"""Input files of a step, put where the notebook's code looks for them: below the working folder."""

from __future__ import annotations

import filecmp
import os
import shutil
from typing import Mapping

from tidemill_runtime.step.problems import VariableError
from tidemill_runtime.step.wire import ExecutorInput


def place_files(wire: ExecutorInput, files: Mapping[str, str]) -> None:
    """Copy each input artifact to its relative path; a file that is there already must be the same.

    Raises `VariableError` for a path that leads out of the working folder, an artifact that was not handed over, and a
    file that would be replaced by another.
    """
    here = os.path.realpath(os.curdir)
    for name, relative in sorted(files.items()):
        goal = os.path.realpath(relative)
        if not goal.startswith(here + os.sep):
            raise VariableError(f"{relative!r} is outside of the working folder")
        source = wire.input_path(name)
        if source is None or not os.path.exists(source):
            raise VariableError(f"the data file {relative} was not handed to the step")
        if os.path.isfile(goal) and os.path.isfile(source) and filecmp.cmp(source, goal, shallow=False):
            continue
        if os.path.exists(goal):
            raise VariableError(f"{goal} is there already and is not what was imported")
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, goal)
        else:
            shutil.copyfile(source, goal)

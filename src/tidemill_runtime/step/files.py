"""Input files of a step, put where the notebook's code looks for them: below the working folder."""

from __future__ import annotations

import os
import shutil
from typing import Mapping

from tidemill_runtime.step.wire import ExecutorInput


def place_files(executor_input: ExecutorInput, files: Mapping[str, str]) -> None:
    """Copy each input artifact to its relative path; ValueError for a path that leads out of the working folder."""
    for name, relative in files.items():
        here = os.path.realpath(os.curdir)
        goal = os.path.realpath(relative)
        if not goal.startswith(here + os.sep):
            raise ValueError(f"{relative!r} is outside of the working folder")
        source = executor_input.input_path(name)
        if source is None:
            continue
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, goal)
        else:
            shutil.copyfile(source, goal)

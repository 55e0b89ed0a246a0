"""A fresh process that runs a program without a fork of a warm zygote: slower, for what does not survive a fork."""

from __future__ import annotations

import json
import os

from tidemill_runtime.fork.program import finish, run_program, seed_generators, stream_lines


def main() -> None:
    """Read {"seed", "program", "descriptor_names"} from the descriptor TIDEMILL_FD_REQUEST, run it; never returns."""
    number = int(os.environ.pop("TIDEMILL_FD_REQUEST"))
    with os.fdopen(number, "rb") as file:
        file.seek(0)
        request = json.loads(file.read())
    descriptors = {name: int(os.environ["TIDEMILL_FD_" + name.upper()]) for name in request["descriptor_names"]}
    stream_lines()
    seed_generators(int(request["seed"]))
    os._exit(finish(run_program(request["program"], descriptors)))

"""Work that needs heavy libraries, done in a process of its own that ends with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tidemill.base.errors import Unavailable

LONGEST_SECONDS = 120.0


def run_apart(module: str, asked: Any, *, what: str) -> Any:
    """The JSON that a module writes when it is run with this JSON on its standard input.

    Raises `Unavailable`, which says what failed, when it ends otherwise or takes longer than `LONGEST_SECONDS`.
    """
    # nice and with one thread: what it shares the cores with are predictors
    argv = ["nice", "-n", "10", sys.executable, "-m", module]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            argv,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=True,
            timeout=LONGEST_SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired as problem:
        raise Unavailable(f"{what}: it took more than {LONGEST_SECONDS:.0f} s") from problem
    except subprocess.CalledProcessError as problem:
        last = (problem.stderr or "").strip().splitlines()[-1:] or [f"it ended with {problem.returncode}"]
        raise Unavailable(f"{what}: {last[0][:300]}", remedy="try again") from problem
    return json.loads(done.stdout)

"""The peer's side: compiles the pipelines, and runs them with kfp.local. Runs in the peer's own virtual environment.

`peer.py compile FOLDER` writes one YAML per pipeline; `peer.py run NAME` prints {"seconds"} as its last line.
"""

# kfp's decorators have no types:
# mypy: ignore-errors

import json
import sys
import tempfile
import time
from pathlib import Path

from kfp import compiler, dsl, local


@dsl.component(base_image="python:3.11")
def nothing(number: int) -> int:
    return number + 1


@dsl.component(base_image="python:3.11", packages_to_install=["pandas", "scikit-learn"])
def importing(number: int) -> int:
    import pandas  # noqa: F401
    import sklearn.linear_model  # noqa: F401

    return number + 1


@dsl.component(base_image="python:3.11")
def nap(seconds: float) -> float:
    import time

    time.sleep(seconds)
    return seconds


@dsl.pipeline(name="chain")
def chain():
    last = nothing(number=0)
    for _ in range(9):
        last = nothing(number=last.output)


@dsl.pipeline(name="chain-imports")
def chain_imports():
    last = importing(number=0)
    for _ in range(9):
        last = importing(number=last.output)


@dsl.pipeline(name="fan-out")
def fan_out():
    for _ in range(10):
        nap(seconds=1.0)


PIPELINES = {"chain": chain, "chain-imports": chain_imports, "fan-out": fan_out}


def main(arguments: list[str]) -> int:
    """Compile or run."""
    if arguments[0] == "compile":
        for name, pipeline in PIPELINES.items():
            compiler.Compiler().compile(pipeline, str(Path(arguments[1]) / f"{name}.yaml"))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        # The peer's fastest way: no virtual environment per task, everything installed already.
        local.init(runner=local.SubprocessRunner(use_venv=False), pipeline_root=folder)
        before = time.perf_counter()
        PIPELINES[arguments[1]]()
        seconds = time.perf_counter() - before
    print("\n" + json.dumps({"seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs each pipeline on both sides in turn and prints a table with ratios: `python -m benchmarks.engine`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tidemill.access import Actor, Role, ensure_namespace
from tidemill.engine import RunRequest, State, Worker, WorkerOptions, get_run, open_worker, submit_run
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.platform import Platform

PEER_VARIABLE = "TIDEMILL_PEER_KFP"
ROUNDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the table: `divisor` steps make a run, `goal_seconds` is what one may take here."""

    name: str
    title: str
    divisor: int
    goal_seconds: float
    parallelism: int | None = None


LINES = (
    Line(name="chain", title="chain of 10 no-op steps, per step, durable", divisor=10, goal_seconds=0.015),
    Line(name="chain-imports", title="the same, pandas + scikit-learn imported", divisor=10, goal_seconds=0.020),
    Line(name="fan-out", title="fan-out of ten 1 s sleeps", divisor=1, goal_seconds=1.3, parallelism=10),
)


class Ours:
    """A worker on a home of its own; each pipeline is warmed up by one run that does not count."""

    def __init__(self, home: Path) -> None:
        self._site = Platform(home=home).site
        namespace = ensure_namespace(self._site, "default", created_by="bench")
        self._actor = Actor(person="bench", namespace_id=namespace.id, roles=frozenset({Role.OWNER}))
        self._worker: Worker = open_worker(self._site, WorkerOptions())

    def seconds(self, pipeline: Pipeline, parallelism: int | None) -> float:
        """From the claim of a run to its end, nothing from the cache."""
        request = RunRequest(pipeline=pipeline, caching=False, parallelism=parallelism)
        run = submit_run(self._site, self._actor, request)
        before = time.perf_counter()
        state = self._worker.run_until_done(run.id)
        seconds = time.perf_counter() - before
        if state is not State.SUCCEEDED:
            raise SystemExit(f"{pipeline.name} ended as {state}: {get_run(self._site, self._actor, run.id).failure}")
        return seconds

    def close(self) -> None:
        """End the worker."""
        self._worker.close()
        self._site.database.close()


class Peer:
    """kfp.local in its own virtual environment."""

    def __init__(self, venv: Path) -> None:
        self._python = venv / "bin" / "python"
        self._script = Path(__file__).with_name("peer.py")
        if not self._python.exists():
            raise SystemExit(f"there is no peer at {venv}: run `make bench`, or set {PEER_VARIABLE}")

    def _call(self, *arguments: str) -> str:
        # pip, which kfp.local calls, must be the one of the peer's own environment
        environment = {**os.environ, "PATH": f"{self._python.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            [self._python, self._script, *arguments], capture_output=True, text=True, check=False, env=environment
        )
        if done.returncode != 0:
            raise SystemExit(f"the peer failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def compile(self, folder: Path) -> None:
        """Write the pipelines as YAML."""
        self._call("compile", str(folder))

    def seconds(self, name: str) -> float:
        """One run of a pipeline, without the start of the process."""
        last = self._call("run", name).strip().splitlines()[-1]
        return float(json.loads(last)["seconds"])


def main(arguments: list[str]) -> int:
    """Measure and print; the exit status says whether every goal was met. `--rounds N` runs of ours per line."""
    rounds = int(arguments[arguments.index("--rounds") + 1]) if "--rounds" in arguments else ROUNDS
    peer = Peer(Path(os.environ.get(PEER_VARIABLE, ".peers/kfp")))
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        peer.compile(Path(folder))
        ours = Ours(Path(folder) / "home")
        print(f"{'work':<44} {'kfp.local':>10} {'tidemill':>10} {'worst':>9} {'ratio':>7}  goal")
        for line in LINES:
            pipeline = load_pipeline((Path(folder) / f"{line.name}.yaml").read_text(), place=line.name)
            ours.seconds(pipeline, line.parallelism)
            theirs = peer.seconds(line.name) / line.divisor
            taken = [ours.seconds(pipeline, line.parallelism) / line.divisor for _ in range(rounds)]
            median = statistics.median(taken)
            verdict = "met" if median <= line.goal_seconds else "MISSED"
            missed += verdict == "MISSED"
            figures = f"{_text(theirs):>10} {_text(median):>10} {_text(max(taken)):>9} {theirs / median:>6.1f}x"
            print(f"{line.title:<44} {figures}  <= {_text(line.goal_seconds)} {verdict}", flush=True)
        ours.close()
    return 1 if missed else 0


def _text(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

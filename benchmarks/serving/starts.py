"""What a predictor costs: from its start to ready, and the memory of its own; spawned, and forked from a zygote."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tidemill.serving.host import Forker, Launch, PredictorState, ProcessHost
from tidemill.serving.host.starter import Spawner, Starter
from tidemill.serving.preload import modules_to_preload
from tidemill.serving.unix_http import ask

REQUESTS = 200


def measure_starts(python: str, late_paths: list[str], environment: dict[str, str], package: Path, count: int) -> None:
    """Print a line per starter: the first predictor, the median of the next ones, and their memory."""
    starters: dict[str, Callable[[Path], Starter]] = {
        "spawned": lambda _: Spawner(),
        "forked": lambda folder: Forker(folder / "zygotes.log"),
    }
    document = json.loads((package / "model.json").read_text())
    for name, starter in starters.items():
        with _host(starter) as (host, folder):
            times, pids = [], []
            for number in range(count):
                launch = Launch(
                    revision_id=str(number),
                    socket=folder / f"s{number}",
                    python=Path(python),
                    runtime=Path(environment["PYTHONPATH"]),
                    environment=environment,
                    argument={
                        "package": str(package),
                        "model_name": "gbr",
                        "allow_pickle": True,
                        "late_paths": late_paths,
                    },
                    heartbeat=folder / f"beat{number}",
                    log=folder / f"log{number}",
                    preload=modules_to_preload(document),
                )
                times.append(_start(host, launch))
                pids.append(host.status(launch.revision_id).pid)
            own = [_private_megabytes(pid) for pid in pids if pid is not None]
            zygote = f", its zygote {_private_megabytes(_parent(pids[-1] or 0)):.0f} MB" if name == "forked" else ""
            print(
                f"{package.name}, {name}: first {times[0]:.3f} s, next {statistics.median(times[1:]):.3f} s to ready, "
                f"{statistics.median(own[1:]):.1f} MB of its own{zygote}"
            )


@contextmanager
def _host(starter: Callable[[Path], Starter]) -> Iterator[tuple[ProcessHost, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        host = ProcessHost(starter(Path(folder)))
        try:
            yield host, Path(folder)
        finally:
            host.close()


def _start(host: ProcessHost, launch: Launch) -> float:
    started = time.perf_counter()
    host.start(launch)
    while host.status(launch.revision_id).state is PredictorState.STARTING:
        time.sleep(0.001)
    took = time.perf_counter() - started
    body = json.dumps({"instances": [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]]}).encode()
    for _ in range(REQUESTS):  # what it holds after work, not before
        assert ask(launch.socket, "POST", "/v1/models/gbr:predict", body=body, timeout_seconds=30).status == 200
    return took


def _private_megabytes(pid: int) -> float:
    """What would be free without the process (proc(5), smaps_rollup)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])

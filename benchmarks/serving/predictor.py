"""One row a request: our predictor, the KServe SDK's server and the ceiling, same machine, same run, same load.

Our predictors are started as `python -m tidemill_runtime.predict`; the line "forked" is one that a zygote forked, as
a site does. Afterwards: what a start costs either way.

Run: TIDEMILL_PEER_KSERVE=VENV python -m benchmarks.serving [--seconds 3] [--rounds 3] [--model-venv VENV]
The model's venv holds scikit-learn, pandas, joblib and the predictor's libraries; without one the peer's is used,
as far as it has them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from benchmarks.serving.load import Measured, measure
from benchmarks.serving.starts import measure_starts
from tidemill.engine.launchers import ZygoteClient
from tidemill.serving.preload import modules_to_preload

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"
BODY = json.dumps({"instances": [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]]}).encode()
STARTS = 6
GOALS = {"times the peer": 10.0, "of the ceiling": 0.7, "of the peer's p50": 0.45}


def main() -> int:
    """Print the table; 1 when a goal is missed."""
    arguments = _arguments()
    peer = os.environ.get("TIDEMILL_PEER_KSERVE", "")
    python = str(Path(arguments.model_venv or peer).absolute() / "bin" / "python")
    seconds = arguments.seconds
    with tempfile.TemporaryDirectory() as folder, ExitStack() as servers:
        for kind in ("array", "dataframe"):
            made = [python, str(HERE / "make_model.py"), f"{folder}/{kind}", kind]
            subprocess.run(made, check=True, env=_environment())
        urls = {"ceiling": servers.enter_context(_started([sys.executable, str(HERE / "ceiling.py"), "{fd}"]))}
        for kind in ("array", "dataframe"):
            urls[f"tidemill {kind}"] = servers.enter_context(_predictor(python, f"{folder}/{kind}", {}))
        urls["tidemill array, forked"] = servers.enter_context(_forked(python, Path(folder, "array")))
        log = {"log_socket": servers.enter_context(_recorder())}
        urls["tidemill array, log on"] = servers.enter_context(_predictor(python, f"{folder}/array", log))
        if peer:
            argv = [str(Path(peer) / "bin" / "python"), str(HERE / "kserve_peer.py")]
            argv += [f"{folder}/array/model.joblib", "{port}"]
            urls["KServe SDK"] = servers.enter_context(_started(argv))
        rounds = [{name: _measure(url, seconds) for name, url in urls.items()} for _ in range(arguments.rounds)]
        servers.pop_all().close()
        status = _print({name: _best([each[name] for each in rounds]) for name in urls})
        for kind in ("array", "dataframe"):
            measure_starts(python, [_late_path()], _environment(), Path(folder, kind), STARTS)
    return status


def _best(rounds: list[tuple[Measured, Measured]]) -> tuple[Measured, Measured]:
    """The quickest round of each kind: what else the machine does can only slow a server down."""
    many = max((each[0] for each in rounds), key=lambda found: found.per_second)
    return many, min((each[1] for each in rounds), key=lambda found: found.p50_ms)


def _measure(url: str, seconds: float) -> tuple[Measured, Measured]:
    """32 connections, and one."""
    path = url + "/v1/models/gbr:predict"
    measure(path, BODY, connections=32, seconds=1, core=1)
    many = measure(path, BODY, connections=32, seconds=seconds, core=1)
    return many, measure(path, BODY, connections=1, seconds=max(1.0, seconds / 2), core=1)


def _print(results: dict[str, tuple[Measured, Measured]]) -> int:
    print(f"{'':28}{'32 conn/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'1 conn p50':>12}{'errors':>8}")
    for name, (many, one) in results.items():
        errors = many.errors + one.errors
        print(f"{name:28}{many.per_second:12.0f}{many.p50_ms:9.2f}{many.p99_ms:9.2f}{one.p50_ms:12.3f}{errors:8}")
    failed = False
    for kind in ("array", "dataframe"):
        many, one = results[f"tidemill {kind}"]
        ratios = {"of the ceiling": many.per_second / results["ceiling"][0].per_second}
        if "KServe SDK" in results:
            peer_many, peer_one = results["KServe SDK"]
            ratios["times the peer"] = many.per_second / peer_many.per_second
            ratios["of the peer's p50"] = one.p50_ms / peer_one.p50_ms
        for name, ratio in ratios.items():
            is_met = ratio <= GOALS[name] if "p50" in name else ratio >= GOALS[name]
            failed = failed or (kind == "array" and not is_met)
            print(f"tidemill {kind}: {ratio:.2f} {name} (goal {GOALS[name]:g}: {'met' if is_met else 'missed'})")
    log = results["tidemill array, log on"][0].per_second / results["tidemill array"][0].per_second
    print(f"tidemill array: log on gives {log:.2f} of log off (goal 0.9: {'met' if log >= 0.9 else 'missed'})")
    return int(failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model-venv", default="")
    return parser.parse_args()


def _environment() -> dict[str, str]:
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **threads, "JE_ARROW_MALLOC_CONF": "background_thread:false", "PYTHONPATH": str(SOURCE)}


def _predictor(python: str, package: str, more: dict[str, str]) -> AbstractContextManager[str]:
    argument = {
        "package": package,
        "model_name": "gbr",
        "allow_pickle": True,
        "fd": "{fd}",
        "late_paths": [_late_path()],
        **more,
    }
    text = json.dumps(argument).replace('"{fd}"', "{fd}")
    return _started([python, "-m", "tidemill_runtime.predict", text])


def _late_path() -> str:
    return sysconfig.get_paths()["purelib"]


@contextmanager
def _forked(python: str, package: Path) -> Iterator[str]:
    """A predictor forked from a zygote on core 0."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, tempfile.TemporaryDirectory() as folder:
        client = ZygoteClient(
            python=Path(python),
            runtime=SOURCE,
            environment=_environment(),
            log=Path(folder, "log"),
            late_paths=[_late_path()],
        )
        try:
            os.sched_setaffinity(client.pid, {0})
            client.preload(["tidemill_runtime.predict.server", "uvicorn", "uvloop"])
            client.preload(modules_to_preload(json.loads((package / "model.json").read_text())))
            lifeline, held = os.pipe()
            client.send(_fork_request(package, folder), [listener.fileno(), lifeline])
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            _wait(url)
            yield url
            os.close(held)
            os.close(lifeline)
        finally:
            client.close()


def _fork_request(package: Path, folder: str) -> dict[str, object]:
    argument = {"package": str(package), "model_name": "gbr", "allow_pickle": True, "late_paths": [_late_path()]}
    program = {"kind": "entry", "entry": "tidemill_runtime.predict.main:serve_forked", "argument": argument}
    return {
        "op": "spawn",
        "id": "gbr",
        "program": program,
        "cwd": str(package),
        "env": _environment(),
        "log": f"{folder}/log",
        "seed": 0,
        "descriptor_names": ["listener", "lifeline"],
    }


@contextmanager
def _recorder() -> Iterator[str]:
    """A recorder's near end: takes everything, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        address = f"{folder}/s"
        code = (
            "import socket, sys\n"
            "listener = socket.socket(socket.AF_UNIX)\nlistener.bind(sys.argv[1])\nlistener.listen()\n"
            "connection = listener.accept()[0]\n"
            "with open('/dev/null', 'wb') as out:\n"
            "    while data := connection.recv(1 << 20): out.write(data)\n"
        )
        process = subprocess.Popen([*_pin(1), sys.executable, "-c", code, address])
        while not Path(address).exists():
            time.sleep(0.01)
        try:
            yield address
        finally:
            process.kill()
            process.wait()


@contextmanager
def _started(argv: list[str]) -> Iterator[str]:
    """A server on core 0; `{fd}` in its arguments becomes a listening socket, `{port}` a free port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    port = listener.getsockname()[1]
    fds = [listener.fileno()] if any("{fd}" in each for each in argv) else []
    if not fds:
        listener.close()
    told = [each.replace("{fd}", str(fds[0] if fds else 0)).replace("{port}", str(port)) for each in argv]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*_pin(0), *told], pass_fds=fds, env=_environment(), stdout=quiet, stderr=quiet)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        listener.close()


def _pin(core: int) -> list[str]:
    return ["taskset", "-c", str(core)] if shutil.which("taskset") else []


def _wait(url: str) -> None:
    request = urllib.request.Request(url + "/v1/models/gbr:predict", data=BODY, method="POST")
    request.add_header("content-type", "application/json")
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())

"""What each process of a site runs: `python -m tidemill.supervisor.roles ROLE HOME [DESCRIPTOR...]`."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tidemill.platform import Platform


def work(platform: Platform, _descriptors: Sequence[int]) -> None:
    """Claim runs and run their tasks until told to stop."""
    stop = _stop_on_signal()
    worker = platform.open_worker()
    try:
        worker.serve(stop)
    finally:
        worker.close()


def control(platform: Platform, _descriptors: Sequence[int]) -> None:
    """Make services follow the live pointers and advance tunings: one leader of a site at a time."""
    from tidemill.supervisor.controller import run_controller

    run_controller(platform, _stop_on_signal())


def record(platform: Platform, descriptors: Sequence[int]) -> None:
    """Write the prediction log."""
    from tidemill.monitoring import record_predictions

    (listener,) = descriptors
    record_predictions(platform.site, _stop_on_signal(), socket.socket(fileno=listener))


def data(platform: Platform, descriptors: Sequence[int]) -> None:
    """Keep DVC warm for the commands of this home; its environment is made at the first question."""
    from tidemill.data.serve_dvc import serve_dvc

    (listener,) = descriptors
    serve_dvc(socket.socket(fileno=listener), platform.find_dvc, platform.dvc_log, _stop_on_signal())


def mlflow(platform: Platform, descriptors: Sequence[int]) -> None:
    """Become MLflow's server; its environment is made at the first request."""
    from tidemill.tracking import serve_mlflow

    (listener,) = descriptors
    serve_mlflow(platform.home, socket.socket(fileno=listener), platform.find_mlflow)


ROLES: dict[str, Callable[[Platform, Sequence[int]], None]] = {
    "worker": work,
    "controller": control,
    "recorder": record,
    "data": data,
    "mlflow": mlflow,
}


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def main(arguments: Sequence[str]) -> None:
    """Run one role."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    role, home, *descriptors = arguments
    ROLES[role](Platform(home=Path(home)), [int(each) for each in descriptors])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Launches of small models, and a question to what came of them."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path
from typing import Any

from tests.integration.predict.running import ROOT, environment, until
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import make_package

from tidemill.serving.host import Launch, PredictorHost, PredictorState
from tidemill.serving.unix_http import Answer, ask


def environment_of_a_site(**more: str) -> dict[str, str]:
    """That of small test models, and what a site sets: libraries that start no thread when they are imported."""
    return {**environment(), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **more}


def launch_of(folder: Path, model: Any = None, *, package: Path | None = None, **more: Any) -> Launch:
    """A launch of a new revision; `folder` is its own."""
    package = package or make_package(folder / "package", model or Linear())
    return Launch(
        **{
            "revision_id": str(uuid.uuid4()),
            "socket": folder / "s",
            "python": Path(sys.executable),
            "runtime": ROOT / "src",
            "environment": environment_of_a_site(),
            "argument": {"package": str(package), "model_name": "car", "allow_pickle": True},
            "heartbeat": folder / "heartbeat",
            "log": folder / "log",
            "preload": ("numpy",),
            **more,
        }
    )


def start_ready(host: PredictorHost, launch: Launch) -> int:
    """Start it and wait until it is ready; its process id."""
    host.start(launch)
    until(lambda: host.status(launch.revision_id).state is PredictorState.READY, 20)
    pid = host.status(launch.revision_id).pid
    assert pid is not None
    return pid


def predict(launch: Launch) -> Answer:
    """One prediction; waits in the socket while there is no process behind it."""
    return ask(launch.socket, "POST", "/v1/models/car:predict", body=b'{"instances": [[1, 2]]}', timeout_seconds=30)

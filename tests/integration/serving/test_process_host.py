"""A predictor that hangs is noticed by its heartbeat, killed and started again; its callers wait in the socket."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.predict.running import until
from tests.integration.serving.launches import launch_of, predict, start_ready
from tests.unit.predict.models import Hanging

from tidemill.base.errors import Unavailable
from tidemill.serving.host import Forker, ProcessHost
from tidemill.serving.host.starter import Spawner, Starter
from tidemill.serving.unix_http import ask


@pytest.mark.parametrize("starter", [lambda _: Spawner(), lambda folder: Forker(folder / "zygotes.log")])
def test_a_hanging_predictor_is_replaced_while_connections_wait(
    tmp_path: Path, starter: Callable[[Path], Starter]
) -> None:
    host = ProcessHost(starter(tmp_path), hung_seconds=1.5)
    launch = launch_of(tmp_path / "hanging", Hanging())
    refused: list[str] = []

    def poison() -> None:
        try:
            ask(launch.socket, "POST", "/v1/models/car:predict", body=b'{"instances": [[669, 0]]}', timeout_seconds=30)
        except Unavailable as problem:
            refused.append(problem.message)

    try:
        start_ready(host, launch)
        asking = threading.Thread(target=poison)
        asking.start()
        until(lambda: host.status(launch.revision_id).restarts == 1)
        assert predict(launch).status == 200
        asking.join(30)
        assert len(refused) == 1
    finally:
        host.close()

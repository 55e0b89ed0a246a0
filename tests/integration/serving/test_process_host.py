"""A predictor that hangs is noticed by its heartbeat, killed and started again; its callers wait in the socket."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.integration.predict.running import environment, until
from tests.unit.predict.models import Hanging
from tests.unit.predict.packages import make_package

from tidemill.base.errors import Unavailable
from tidemill.serving.host import Launch, PredictorState, ProcessHost
from tidemill.serving.unix_http import ask


def test_a_hanging_predictor_is_replaced_while_connections_wait(tmp_path: Path) -> None:
    host = ProcessHost(hung_seconds=1.5)
    launch = Launch(
        revision_id="r",
        socket=tmp_path / "s",
        python=Path(sys.executable),
        environment=environment(),
        argument={
            "package": str(make_package(tmp_path / "p", Hanging())),
            "model_name": "car",
            "allow_pickle": True,
        },
        heartbeat=tmp_path / "heartbeat",
        log=tmp_path / "log",
    )
    refused: list[str] = []

    def poison() -> None:
        try:
            ask(launch.socket, "POST", "/v1/models/car:predict", body=b'{"instances": [[669, 0]]}', timeout_seconds=30)
        except Unavailable as problem:
            refused.append(problem.message)

    try:
        host.start(launch)
        until(lambda: host.status("r").state is PredictorState.READY)
        asking = threading.Thread(target=poison)
        asking.start()
        until(lambda: host.status("r").restarts == 1)
        body = b'{"instances": [[1, 2]]}'
        answer = ask(launch.socket, "POST", "/v1/models/car:predict", body=body, timeout_seconds=30)
        assert answer.status == 200
        asking.join(30)
        assert len(refused) == 1
    finally:
        host.close()

"""The server process: `python -m tidemill.server HOME DESCRIPTOR...`, on sockets that the supervisor owns."""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from tidemill.platform import Platform
from tidemill.server.app import create_app

DRAIN_SECONDS = 8


def main(arguments: Sequence[str]) -> None:
    """Serve the control API until SIGTERM; requests under way are finished."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    home, *descriptors = arguments
    app = create_app(Platform(home=Path(home)))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)
    app.state.is_ending = lambda: server.should_exit
    stop = threading.Event()
    threading.Thread(target=app.state.board.run, args=(stop,), name="figures", daemon=True).start()
    server.run(sockets=[socket.socket(fileno=int(each)) for each in descriptors])
    stop.set()


if __name__ == "__main__":
    main(sys.argv[1:])

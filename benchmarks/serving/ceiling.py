"""The ceiling: uvicorn, httptools and orjson answering the same request with no model behind it."""

from __future__ import annotations

import socket
import sys
from typing import Any

import orjson
import uvicorn


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Read JSON, answer JSON."""
    message = await receive()
    instances = orjson.loads(message["body"])["instances"]
    body = orjson.dumps({"predictions": [row[0] for row in instances]})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    listener = socket.socket(fileno=int(sys.argv[1]))
    settings = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
        date_header=False,
        server_header=False,
    )
    uvicorn.Server(settings).run(sockets=[listener])

"""The ASGI application of a predictor: routes, the hot path of a prediction, and its record."""

from __future__ import annotations

import sys
import time
import traceback
from typing import Any, Awaitable, Callable, Dict, List, Optional

import orjson

from tidemill_runtime.predict.about import About
from tidemill_runtime.predict.batch import Batcher
from tidemill_runtime.predict.body import Disconnected, json_size, pick, read_body
from tidemill_runtime.predict.record import PredictionLog
from tidemill_runtime.predict.refusal import Refusal
from tidemill_runtime.predict.request_ids import PredictionIds
from tidemill_runtime.predict.v1 import V1
from tidemill_runtime.predict.v2 import V2

Scope = Dict[str, Any]
Receive = Callable[[], Awaitable[Dict[str, Any]]]
Send = Callable[[Dict[str, Any]], Awaitable[None]]

_JSON = (b"content-type", b"application/json")  # exactly this: the KServe client reads errors from no other type
_BINARY = (b"content-type", b"application/octet-stream")
MAX_LOGGED_CHARACTERS = 2000


class _Exchange:
    """One prediction request on its way: what its record will say."""

    __slots__ = ("_protocol", "_started_ns", "body", "headers", "inputs", "prediction_id")

    def __init__(self, prediction_id: str, protocol: str, headers: Dict[bytes, bytes]) -> None:
        self._started_ns = time.perf_counter_ns()
        self._protocol = protocol
        self.prediction_id = prediction_id
        self.headers = headers
        self.body: Optional[bytes] = None
        self.inputs: Any = None

    def record(self, status: int, outputs: Any, error: Optional[str]) -> List[Any]:
        """The values of `log_fields.FIELDS`."""
        request_id = self.headers.get(b"x-request-id")
        return [
            self.prediction_id,
            time.time_ns(),
            status,
            (time.perf_counter_ns() - self._started_ns) // 1000,
            self._protocol,
            self.inputs,
            outputs,
            error,
            None if request_id is None else request_id[:200].decode("latin-1"),
        ]


class Application:
    """Serves one model; every failure is `{"error": "..."}`, and a client's fault is never a 500."""

    def __init__(self, v1: V1, v2: V2, batcher: Batcher, log: PredictionLog, *, max_body_bytes: int) -> None:
        self._v1 = v1
        self._v2 = v2
        self._batcher = batcher
        self._log = log
        self._max_body_bytes = max_body_bytes
        self._ids = PredictionIds()
        self._hot: Dict[str, Any] = {}
        self._about: Optional[About] = None
        self.is_ready = False

    def mount(self, about: About, model_name: str, version: str) -> None:
        """Set the routes of the model."""
        self._about = about
        self._hot = {
            f"/v1/models/{model_name}:predict": self._v1,
            f"/v2/models/{model_name}/infer": self._v2,
            f"/v2/models/{model_name}/versions/{version}/infer": self._v2,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        protocol = self._hot.get(scope["path"])
        if protocol is not None and scope["method"] == "POST":
            await self._predict(protocol, scope, receive, send)
        else:
            await self._answer(scope, send)

    async def _predict(self, protocol: Any, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(self._ids.new(), "v1" if protocol is self._v1 else "v2", pick(scope["headers"]))
        headers = exchange.headers
        try:
            body = exchange.body = await read_body(receive, headers, self._max_body_bytes)
            query = protocol.parse(body) if protocol is self._v1 else protocol.parse(body, json_size(headers))
            exchange.inputs = query.logged
            if not self.is_ready:
                raise Refusal(503, "the predictor is not ready", ((b"retry-after", b"1"),))
            outputs = await self._batcher.submit(query)
            payload, head_size = protocol.render(query, outputs, exchange.prediction_id)
        except Disconnected:
            return
        except Refusal as refusal:
            await self._fail(send, exchange, refusal)
            return
        except Exception as problem:  # noqa: BLE001 -- whatever happens, the client gets a reply and the log a record
            traceback.print_exc(file=sys.stderr)
            await self._fail(send, exchange, Refusal(500, f"the predictor failed: {type(problem).__name__}"))
            return
        reply = [
            _JSON if head_size is None else _BINARY,
            (b"content-length", b"%d" % len(payload)),
            (b"x-request-id", exchange.prediction_id.encode()),
        ]
        if head_size is not None:
            reply.append((b"inference-header-content-length", b"%d" % head_size))
        await send({"type": "http.response.start", "status": 200, "headers": reply})
        await send({"type": "http.response.body", "body": payload})
        if protocol is self._v1 and b"\n" not in body:
            # request and reply are JSON on one line already: to write them again would cost as much as to predict
            exchange.inputs = orjson.Fragment(body)
            self._log.append(exchange.record(200, orjson.Fragment(payload), None))
        else:
            self._log.append(exchange.record(200, outputs, None))

    async def _fail(self, send: Send, exchange: _Exchange, refusal: Refusal) -> None:
        await self._refuse(send, refusal, exchange.prediction_id)
        if exchange.inputs is None and exchange.body is not None:
            exchange.inputs = {"text": exchange.body[:MAX_LOGGED_CHARACTERS].decode("utf-8", "replace")}
        self._log.append(exchange.record(refusal.status, None, refusal.message))

    async def _answer(self, scope: Scope, send: Send) -> None:
        try:
            if self._about is None:
                raise Refusal(503, "the predictor is starting", ((b"retry-after", b"1"),))
            status, value = self._about.answer(scope["method"], scope["path"])
        except Refusal as refusal:
            await self._refuse(send, refusal, None)
            return
        await _send(send, status, b"" if scope["method"] == "HEAD" else orjson.dumps(value), [_JSON])

    async def _refuse(self, send: Send, refusal: Refusal, prediction_id: Optional[str]) -> None:
        headers: List[Any] = [_JSON, *refusal.headers]
        if prediction_id is not None:
            headers.append((b"x-request-id", prediction_id.encode()))
        await _send(send, refusal.status, orjson.dumps({"error": refusal.message}), headers)


async def _send(send: Send, status: int, body: bytes, headers: List[Any]) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

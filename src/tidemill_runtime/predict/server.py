"""Loads the package, warms it up, serves it on the socket, drains on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from typing import Any, Iterator, List

from tidemill_runtime.model_package import LoadedModel, PackageError, json_values, load_package
from tidemill_runtime.predict.about import About
from tidemill_runtime.predict.application import Application
from tidemill_runtime.predict.argument import Argument
from tidemill_runtime.predict.batch import Batcher, Outputs
from tidemill_runtime.predict.fast_paths import fastest
from tidemill_runtime.predict.heartbeat import Heartbeat
from tidemill_runtime.predict.record import PredictionLog
from tidemill_runtime.predict.schema import Schema
from tidemill_runtime.predict.v1 import V1
from tidemill_runtime.predict.v2 import V2

EXIT_BAD_PACKAGE = 3
LOG_DRAIN_SECONDS = 2.0
GC_THRESHOLDS = (50_000, 20, 50)


def serve_argument(argument: Argument) -> int:
    """Serve as the argument says until SIGTERM; returns the exit status. A fault is told on stderr."""
    try:
        model = load_package(
            argument.package, allow_pickle=argument.allow_pickle, expected_digest=argument.model_digest
        )
        sample = sample_rows(model)
        batcher = Batcher(
            _predictor(model, sample), max_batch_rows=argument.max_batch_rows, max_queued_rows=argument.max_queued_rows
        )
        warm_up(sample, batcher)
    except Exception as problem:  # noqa: BLE001 -- loading runs foreign code; its failure becomes an exit status
        place = "" if isinstance(problem, PackageError) else f"{argument.package}: cannot be loaded: "
        sys.stderr.write(f"{place}{problem if not place else repr(problem)}\n")
        sys.stderr.flush()
        return EXIT_BAD_PACKAGE
    # what is loaded stays: the collector need not look at it again
    gc.collect()
    gc.freeze()
    # requests leave no cycles behind: looking for some less often costs nothing
    gc.set_threshold(*GC_THRESHOLDS)
    import uvloop

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(_serve(argument, model, batcher))
    finally:
        loop.close()
    return 0


def sample_rows(model: LoadedModel) -> List[List[Any]]:
    """The recorded sample as rows in signature order; none when the package has no whole one."""
    inputs, columns = model.metadata.sample.get("inputs") or {}, model.metadata.columns
    if any(name not in inputs for name in columns):
        return []
    rows = [list(row) for row in zip(*(inputs[name] for name in columns))]
    return [[float("nan") if value is None else value for value in row] for row in rows]


def warm_up(sample: List[List[Any]], batcher: Batcher) -> None:
    """Predict the recorded sample, so that the first request is as quick as the second, and time it."""
    if sample:
        rows = (sample * 32)[:32]
        batcher.measure(rows, len(rows))


def build(argument: Argument, model: LoadedModel, batcher: Batcher, log: PredictionLog) -> Application:
    """The application of a loaded model."""
    schema = Schema(model.metadata)
    application = Application(
        V1(schema),
        V2(schema, argument.model_name, argument.version),
        batcher,
        log,
        max_body_bytes=argument.max_body_bytes,
    )
    about = About(
        model.metadata,
        argument.model_name,
        argument.version,
        lambda: application.is_ready,
        lambda: {"rows": batcher.rows, "batches": batcher.batches},
        package_digest=argument.package_digest,
    )
    application.mount(about, argument.model_name, argument.version)
    return application


async def _serve(argument: Argument, model: LoadedModel, batcher: Batcher) -> None:
    loop = asyncio.get_running_loop()
    log = PredictionLog(argument.log_socket, argument.source)
    application = build(argument, model, batcher, log)
    if argument.heartbeat is not None:
        Heartbeat(argument.heartbeat).start(loop)
    server = _server(application, argument)

    def stop() -> None:
        application.is_ready = False
        server.should_exit = True

    def on_lifeline() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop()

    if argument.lifeline:
        loop.add_reader(0, on_lifeline)
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    application.is_ready = True
    await server.serve(sockets=[_listening_socket(argument)])
    batcher.close()
    log.drain(LOG_DRAIN_SECONDS)


def _server(application: Application, argument: Argument) -> Any:
    import uvicorn

    class Server(uvicorn.Server):
        """uvicorn's server without its signal handlers: SIGTERM here first says "not ready"."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    return Server(
        uvicorn.Config(
            application,
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_level="warning",
            access_log=False,
            date_header=False,
            server_header=False,
            proxy_headers=False,
            backlog=2048,
            timeout_keep_alive=120,
            timeout_graceful_shutdown=argument.drain_seconds,
        )
    )


def _listening_socket(argument: Argument) -> socket.socket:
    if argument.fd is not None:
        return socket.socket(fileno=argument.fd)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(str(argument.path))
    listening.listen(2048)
    return listening


def _predictor(model: LoadedModel, sample: List[List[Any]]) -> Any:
    """Rows → a list per output; one output is the quick path."""
    if len(model.metadata.outputs) == 1:
        predict_rows = fastest(model, sample)

        def predict(rows: Any) -> Outputs:
            output = predict_rows(rows)
            return [output.tolist() if hasattr(output, "tolist") else json_values(output)]

        return predict

    def predict_all(rows: Any) -> Outputs:
        results: List[Any] = model.predict_all(rows)
        return [json_values(output) for output in results]

    return predict_all

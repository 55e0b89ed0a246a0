"""A predictor over real HTTP: protocols, bad input, overload, crash and drain."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.predict.running import Running, environment, predictor, until
from tests.processes import ended
from tests.unit.predict.models import Breaking, Labels, Slow
from tests.unit.predict.packages import make_package

PREDICT, INFER = "/v1/models/car:predict", "/v2/models/car/infer"


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with predictor(make_package(tmp_path_factory.mktemp("car") / "p", Breaking()), version="3") as running:
        yield running


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", {"status": "alive"}),
        ("/v1/models", {"models": ["car"]}),
        ("/v1/models/car", {"name": "car", "ready": True}),
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models", {"models": ["car"]}),
        ("/v2/models/car/ready", {"name": "car", "ready": True}),
        ("/v2/models/car/versions/3/ready", {"name": "car", "ready": True}),
    ],
)
def test_health_and_lists_answer_as_the_protocols_say(car: Running, path: str, expected: Any) -> None:
    reply = car.client.get(path)
    assert reply.status_code == 200
    assert reply.json() == expected
    assert reply.headers["content-type"] == "application/json"


def test_metadata_tells_the_real_inputs_and_outputs(car: Running) -> None:
    about = car.client.get("/v2/models/car").json()
    assert about["versions"] == ["3"]
    assert about["inputs"] == [
        {"name": "wght", "datatype": "FP64", "shape": [-1, 1]},
        {"name": "year", "datatype": "INT64", "shape": [-1, 1]},
    ]
    assert set(car.client.get("/v2").json()) == {"name", "version", "extensions"}


def test_named_columns_are_answered_with_a_prediction_id(car: Running) -> None:
    reply = car.post(PREDICT, {"instances": [{"year": 82, "wght": 2130}]})
    assert reply.json()["predictions"] == [2212.0]
    assert reply.json()["id"] == reply.headers["x-request-id"]
    assert uuid.UUID(reply.headers["x-request-id"]).version == 7


def test_no_content_type_is_needed_and_gzip_is_read(car: Running) -> None:
    body = gzip.compress(b'{"instances": [[1, 2]]}')
    assert car.post(PREDICT, body, **{"content-encoding": "gzip"}).json()["predictions"] == [3.0]


BAD: list[tuple[str, str, Any, int]] = [
    ("POST", PREDICT, b"{", 400),
    ("POST", PREDICT, b"", 400),
    ("POST", PREDICT, {"instances": [[1, "x"]]}, 400),
    ("POST", PREDICT, {"instances": [{"wght": 1}]}, 400),
    ("POST", PREDICT, b'{"instances": [[1e400, 1]]}', 400),
    ("POST", PREDICT, b'{"instances": [[1, 99999999999999999999999]]}', 400),
    ("POST", PREDICT, b"[" * 100_000, 400),
    ("POST", PREDICT, b'{"instances": [["\xed\xa0\x80", 1]]}', 400),
    ("POST", INFER, {"inputs": []}, 400),
    ("POST", INFER, {"inputs": [{"name": "wght", "shape": [1], "datatype": "FP64", "data": ["x"]}]}, 400),
    ("POST", "/v1/models/bus:predict", {"instances": [[1, 2]]}, 404),
    ("POST", "/v2/models/bus/infer", {}, 404),
    ("POST", "/v2/models/car/versions/9/infer", {}, 404),
    ("GET", "/v2/models/car/versions/9", None, 404),
    ("GET", "/v2/models/bus/ready", None, 404),
    ("GET", "/nothing", None, 404),
    ("GET", "/v1/models/car/../../etc/passwd", None, 404),
    ("GET", "/v1/models/%00", None, 404),
    ("GET", PREDICT, None, 405),
    ("DELETE", "/v2/models/car", None, 405),
    ("POST", "/v1/models/car:explain", {"instances": [[1, 2]]}, 501),
    ("POST", "/v2/repository/models/car/unload", {}, 400),
    ("POST", PREDICT, b"x" * (2 * 1024 * 1024), 413),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD)
def test_bad_input_is_told_as_an_error_and_never_as_a_500(
    small: Running, method: str, path: str, body: Any, status: int
) -> None:
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    reply = small.client.request(method, path, content=content)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    assert list(reply.json()) == ["error"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    package = make_package(tmp_path_factory.mktemp("small") / "p", Breaking())
    with predictor(package, version="3", max_body_bytes=1024 * 1024) as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"content-encoding": "br"},
        {"content-encoding": "gzip"},
        {"inference-header-content-length": "x"},
        {"inference-header-content-length": "999999"},
    ],
)
def test_bad_headers_are_the_clients_fault(car: Running, headers: dict[str, str]) -> None:
    assert car.client.post(INFER, content=b"{}", headers=headers).status_code in (400, 415)


def test_a_gzip_bomb_is_refused_without_being_unpacked(small: Running) -> None:
    bomb = gzip.compress(b" " * (200 * 1024 * 1024), compresslevel=9)
    assert len(bomb) < 1024 * 1024
    assert small.post(PREDICT, bomb, **{"content-encoding": "gzip"}).status_code == 413


def test_a_model_that_fails_is_a_500_for_its_caller_only(car: Running) -> None:
    with ThreadPoolExecutor(8) as threads:
        bodies = [{"instances": [[666 if place == 3 else place, 1]]} for place in range(8)]
        replies = list(threads.map(lambda body: car.post(PREDICT, body).status_code, bodies))
    assert replies == [200, 200, 200, 500, 200, 200, 200, 200]


def test_values_that_a_model_never_saw_are_the_clients_fault(tmp_path: Path) -> None:
    columns = {"wght": "FP64"}
    outputs = [{"name": "predict", "datatype": "BYTES", "shape": [-1]}]
    package = make_package(tmp_path / "p", Labels(), columns, outputs=outputs, sample=[[1.0], [20.0]])
    with predictor(package) as running:
        assert running.post(PREDICT, {"instances": [11, 1]}).json()["predictions"] == ["heavy", "light"]
        reply = running.post(PREDICT, {"instances": [-1]})
        assert reply.status_code == 400
        assert "never seen" in reply.json()["error"]


def test_health_answers_while_the_model_works_and_a_full_queue_is_told(tmp_path: Path) -> None:
    package = make_package(tmp_path / "p", Slow(0.5))
    with predictor(package, max_queued_rows=2, max_batch_rows=1) as running:
        with ThreadPoolExecutor(8) as threads:
            pending = [threads.submit(running.post, PREDICT, {"instances": [[1, 2]]}) for _ in range(8)]
            until(lambda: any(each.done() for each in pending), 5)
            started = time.perf_counter()
            assert running.client.get("/v2/health/live").status_code == 200
            assert time.perf_counter() - started < 0.2
            replies = [each.result() for each in pending]
        statuses = sorted({reply.status_code for reply in replies})
        assert statuses == [200, 429]
        assert all("retry-after" in reply.headers for reply in replies if reply.status_code == 429)


def test_sigterm_answers_what_it_took_and_then_ends(tmp_path: Path) -> None:
    with predictor(make_package(tmp_path / "p", Slow(0.5))) as running, ThreadPoolExecutor(1) as threads:
        pending = threads.submit(running.post, PREDICT, {"instances": [[1, 2]]})
        until(lambda: running.client.get("/v2/models/stats").json()["model_stats"][0]["execution_count"] == 1)
        assert running.end() == 0
        assert pending.result().status_code == 200


def test_connections_wait_in_the_socket_while_a_killed_predictor_is_started_again(tmp_path: Path) -> None:
    package = make_package(tmp_path / "p", Breaking())
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        argument = {"package": str(package), "model_name": "car", "allow_pickle": True, "fd": listener.fileno()}

        def start() -> subprocess.Popen[bytes]:
            argv = [sys.executable, "-m", "tidemill_runtime.predict", json.dumps(argument)]
            return subprocess.Popen(argv, pass_fds=[listener.fileno()], env=environment())

        with ended(start()) as first:
            assert httpx.get(url + "/v2/health/ready", timeout=20).status_code == 200
            first.kill()
            assert first.wait() == -signal.SIGKILL
        replies: list[int] = []
        asking = threading.Thread(target=lambda: replies.append(httpx.get(url + "/", timeout=20).status_code))
        asking.start()
        with ended(start()) as second:
            asking.join(20)
            second.terminate()
            assert replies == [200]
            assert second.wait(20) == 0


def test_a_predictor_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    package = make_package(tmp_path / "p", Breaking())
    argument = {
        "package": str(package),
        "model_name": "car",
        "allow_pickle": True,
        "path": str(tmp_path / "s"),
        "lifeline": True,
    }
    argv = [sys.executable, "-m", "tidemill_runtime.predict", json.dumps(argument)]
    with ended(subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment())) as process:
        until((tmp_path / "s").exists)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("argument", "status", "message"),
    [
        ({}, 2, "not usable"),
        ({"package": "/nowhere", "model_name": "x", "fd": 0}, 3, "model.json"),
        ({"package": "/nowhere", "model_name": "x", "fd": 0, "colour": 1}, 2, "colour"),
        ({"package": "/nowhere", "model_name": "x"}, 2, "either fd or path"),
    ],
)
def test_a_start_that_cannot_be_says_why_on_one_line(argument: dict[str, Any], status: int, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tidemill_runtime.predict", json.dumps(argument)],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == status
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1

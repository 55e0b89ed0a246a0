"""MLflow is asked on behalf of a namespace, without a secret of its caller; its pages can do nothing to ours."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tidemill.access import Role, authenticate, create_token, local_token
from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.base.home import make_sockets_folder
from tidemill.platform import Platform
from tidemill.server.app import create_app
from tidemill.supervisor.sockets import listen_unix
from tidemill.tracking import mlflow_socket, proxy
from tidemill.tracking.pages import page_headers, waiting_page
from tidemill.tracking.serve import environment_of, refuse_waiting
from tidemill.tracking.use import last_use


@dataclass
class Asked:
    """A request as MLflow got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeMlflow:
    """Answers on a socket like MLflow's, and remembers what it was asked."""

    asked: list[Asked] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """The handler class of `http.server`."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = self.rfile.read(length) if length else b""
                headers = {name.lower(): value for name, value in self.headers.items()}
                fake.asked.append(Asked(self.command, self.path, headers, body))
                told = b"{}"
                self.send_response(fake.status)
                for name, value in {"Content-Type": "application/json", **fake.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(told)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _answer

            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                return

        return Handler


class _UnixServer(ThreadingHTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "unix", 0


@pytest.fixture
def mlflow(platform: Platform) -> Iterator[FakeMlflow]:
    """A fake in MLflow's place."""
    make_sockets_folder(platform.home)
    fake = FakeMlflow()
    path = mlflow_socket(platform.home)
    path.unlink(missing_ok=True)
    server = _UnixServer(str(path), fake.handler())  # type: ignore[arg-type]  # a path, as the family wants it
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """A client without a token."""
    return TestClient(create_app(platform), base_url="http://localhost", follow_redirects=False)


def _bearer(platform: Platform, *roles: Role) -> dict[str, str]:
    site = platform.site
    owner = authenticate(site, local_token(site))
    secret = local_token(site) if not roles else create_token(site, owner, person="x", roles=frozenset(roles))[1]
    return {"Authorization": f"Bearer {secret}"}


def test_mlflow_hears_for_whom_it_is_asked_and_no_secret(
    platform: Platform, client: TestClient, mlflow: FakeMlflow
) -> None:
    headers = {
        **_bearer(platform),
        "Cookie": "tidemill_session=s3cret",
        "X-MLflow-Workspace": "another-team",
        "X-Forwarded-For": "127.0.0.1",
    }
    path = "/mlflow/api/2.0/mlflow/runs/create?a=%2F&b=1"
    answer = client.post(path, headers=headers, json={"experiment_id": "1"})
    assert (answer.status_code, answer.json()) == (200, {})
    (asked,) = mlflow.asked
    assert (asked.method, asked.path) == ("POST", "/api/2.0/mlflow/runs/create?a=%2F&b=1")
    assert json.loads(asked.body) == {"experiment_id": "1"}
    owner = authenticate(platform.site, local_token(platform.site))
    assert asked.headers["x-mlflow-workspace"] == owner.namespace_id
    assert asked.headers["host"] == "mlflow"
    assert not {"authorization", "cookie", "x-forwarded-for", "origin"} & set(asked.headers)
    assert last_use(platform.home) is not None


def test_a_viewer_looks_and_searches_and_writes_nothing(
    platform: Platform, client: TestClient, mlflow: FakeMlflow
) -> None:
    viewer = _bearer(platform, Role.VIEWER)
    assert client.get("/mlflow/api/2.0/mlflow/runs/get?run_id=1", headers=viewer).status_code == 200
    assert client.post("/mlflow/api/2.0/mlflow/runs/search", headers=viewer, json={}).status_code == 200
    looked = len(mlflow.asked)
    for method, path in (("POST", "runs/create"), ("PATCH", "model-versions/update"), ("DELETE", "experiments/x")):
        refused = client.request(method, f"/mlflow/api/2.0/mlflow/{path}", headers=viewer, json={})
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert len(mlflow.asked) == looked


def test_strangers_and_closed_rooms_reach_nobody(platform: Platform, client: TestClient, mlflow: FakeMlflow) -> None:
    assert client.get("/mlflow/version").status_code == 401
    closed = client.post("/mlflow/ajax-api/3.0/mlflow/assistant/message", headers=_bearer(platform), json={})
    assert (closed.status_code, closed.json()["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    foreign = client.get("/mlflow/version", headers={**_bearer(platform), "Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert mlflow.asked == []


def test_the_pages_of_mlflow_ask_for_nothing_of_ours(
    platform: Platform, client: TestClient, mlflow: FakeMlflow
) -> None:
    mlflow.headers = {"Set-Cookie": "tidemill_session=forged", "Content-Security-Policy": "default-src *"}
    answer = client.get("/mlflow/", headers={**_bearer(platform), "Accept": "text/html"})
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == "localhost/mlflow/ blob: data:"
    assert policy["script-src"].split()[0] == "localhost/mlflow/static-files/"
    assert policy["default-src"] == "'none'"
    assert "allow-popups" not in policy["sandbox"]
    assert "allow-top-navigation" not in policy["sandbox"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["localhost; script-src *", "a b", "", "localhost:80,x", "x" * 10 + "\n"])
def test_a_host_that_would_widen_the_policy_is_refused(host: str) -> None:
    with pytest.raises(InvalidInput):
        page_headers(host)


def test_a_redirect_of_mlflow_stays_below_its_address(
    platform: Platform, client: TestClient, mlflow: FakeMlflow
) -> None:
    mlflow.status = 302
    for told, expected in (("/x", "/mlflow/x"), ("http://mlflow/x", "/mlflow/x"), ("//evil.example", None)):
        mlflow.headers = {"Location": told}
        answer = client.get("/mlflow/version", headers=_bearer(platform))
        assert answer.headers["location"] == (expected or "/mlflow/evil.example")
    assert client.get("/mlflow", headers=_bearer(platform)).headers["location"] == "/mlflow/"


def test_a_browser_sees_a_page_that_reloads_itself_while_mlflow_starts(
    platform: Platform, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sockets_folder(platform.home)
    monkeypatch.setattr(proxy, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(proxy, "ANSWER_SECONDS", 0.05)
    with listen_unix(mlflow_socket(platform.home)):
        page = client.get("/mlflow/", headers={**_bearer(platform), "Accept": "text/html"})
        assert page.status_code == 503
        assert page.headers["refresh"] == "2"
        assert "MLflow is starting" in page.text
        told = client.get("/mlflow/version", headers=_bearer(platform))
        assert (told.status_code, told.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")


def test_why_mlflow_cannot_start_is_said_to_all_who_wait_and_harmlessly(tmp_path: Path) -> None:
    path = tmp_path / "s"
    listener = listen_unix(path)
    waiting = []
    for _ in range(2):
        one = socket.socket(socket.AF_UNIX)
        one.connect(str(path))
        one.sendall(b"GET /health HTTP/1.1\r\nHost: mlflow\r\n\r\n")
        waiting.append(one)
    gone = socket.socket(socket.AF_UNIX)
    gone.connect(str(path))
    gone.close()
    refuse_waiting(listener, Unavailable("no index answers <script>", remedy="see pip's settings"))
    for one in waiting:
        with one.makefile("rb") as lines:
            answer = lines.read()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert "no index answers" in json.loads(answer.partition(b"\r\n\r\n")[2])["message"]
        one.close()
    listener.close()
    assert b"<script>" not in bytes(waiting_page("no index answers <script>").body)


def test_mlflow_gets_none_of_our_secrets() -> None:
    told = environment_of({"PATH": "/bin", "TIDEMILL_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "k", "PYTHONPATH": "/x"})
    assert told["PATH"] == "/bin"
    assert not {"TIDEMILL_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & set(told)


def test_turned_off_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_MLFLOW", "false")
    made = Platform(home=tmp_path / "off")
    client = TestClient(create_app(made), base_url="http://localhost")
    answer = client.get("/mlflow/version", headers=_bearer(made))
    assert (answer.status_code, answer.json()["place"]) == (404, "setting mlflow")

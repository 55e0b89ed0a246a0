"""A real Prometheus scrapes a site with a token and answers a question about it."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from tidemill.access import local_token
from tidemill.platform import Platform
from tidemill.server.app import create_app

PATIENCE_SECONDS = 60.0


@pytest.fixture
def address(platform: Platform) -> Iterator[str]:
    """The control API on a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(platform), log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _ask(port: int, query: str) -> list[Any]:
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return list(json.load(answer)["data"]["result"])
    except OSError:
        return []


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus; scripts/setup tests installs it"
)
def test_prometheus_scrapes_with_a_token_and_answers(platform: Platform, address: str, tmp_path: Path) -> None:
    scrape = {
        "job_name": "tidemill",
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "authorization": {"credentials": local_token(platform.site)},
        "static_configs": [{"targets": [address]}],
    }
    file, port = tmp_path / "prometheus.json", _free_port()
    file.write_text(json.dumps({"scrape_configs": [scrape]}))
    argv = ["prometheus", f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'series'}"]
    argv.append(f"--web.listen-address=127.0.0.1:{port}")
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline, found = time.monotonic() + PATIENCE_SECONDS, list[Any]()
            while not found and time.monotonic() < deadline:
                found = _ask(port, "sum(tidemill_runs) + on() tidemill_machine_cores")
                time.sleep(0.1)
        finally:
            process.terminate()
    assert found, "Prometheus did not get the metrics"
    assert float(found[0]["value"][1]) >= 1

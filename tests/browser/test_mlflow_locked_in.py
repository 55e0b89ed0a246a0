"""A script that got into MLflow's pages asks for nothing of ours, in a real browser.

It stands on the address of the dashboard, where the visitor is signed in. Goes red when its guard is off:
`TRACKING_GUARDS_OFF=policy pytest tests/browser/test_mlflow_locked_in.py`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser

from tidemill.tracking.pages import page_headers

OFF = set(filter(None, os.environ.get("TRACKING_GUARDS_OFF", "").split(",")))
SCRIPT = """
const answered = async (ask) => { try { return (await ask()).status } catch (error) { return "refused" } };
const framed = async (put, ask) => {
  const frame = document.createElement("iframe"); put(frame); document.body.append(frame);
  await new Promise((loaded) => { frame.onload = loaded; setTimeout(loaded, 500) });
  return ask(frame);
};
const whoami = "/api/v1/whoami";
window.tried = (async () => ({
  own: await answered(() => fetch("/mlflow/version")),
  fetch: await answered(() => fetch(whoami)),
  post: await answered(() => fetch("/api/v1/reviews/1/approve", {method: "POST", body: "{}"})),
  window: window.open("/reviews") === null ? "refused" : "opened",
  blank: await framed((frame) => { frame.src = "about:blank" },
                      (frame) => answered(() => frame.contentWindow.fetch(whoami))),
  text: await framed((frame) => { frame.srcdoc = "<p>" },
                     (frame) => answered(() => frame.contentWindow.fetch(whoami))),
  page: await framed((frame) => { frame.src = "/" },
                     (frame) => { try { return frame.contentDocument.title || "refused" } catch { return "refused" } }),
  worker: await answered(() => new Promise((done, failed) => {
    const worker = new Worker(URL.createObjectURL(new Blob([`
      fetch(location.origin + "${whoami}").then((one) => postMessage(one.status), () => postMessage("refused"))`])));
    worker.onmessage = (told) => done({status: told.data}); worker.onerror = failed;
  })),
}))();
document.title = "ran";
"""
PAGES = {
    "/": ("text/html", "<title>ours</title>"),
    "/api/v1/whoami": ("application/json", "{}"),
    "/mlflow/version": ("text/plain", "3"),
    "/mlflow/": ("text/html", "<script src=/mlflow/static-files/bad.js></script><body></body>"),
    "/mlflow/inline": ("text/html", "<title>quiet</title><script>document.title = 'ran'</script>"),
    "/mlflow/artifact": ("text/html", "<title>quiet</title><script src=/mlflow/get-artifact?path=bad.js></script>"),
    "/mlflow/static-files/bad.js": ("text/javascript", SCRIPT),
    "/mlflow/get-artifact": ("text/javascript", "document.title = 'ran'"),
}


class _Site(BaseHTTPRequestHandler):
    """Answers everything on one address, below `/mlflow/` with the policy of its pages."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer a page of `PAGES`."""
        path = self.path.partition("?")[0]
        type(self).asked.append(path)
        kind, text = PAGES.get(path, ("text/plain", ""))
        self.send_response(200 if path in PAGES else 404)
        self.send_header("Content-Type", kind)
        if path.startswith("/mlflow/") and "policy" not in OFF:
            for name, value in page_headers(self.headers["Host"]).items():
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Where the site answers."""
    _Site.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_script_in_mlflows_pages_reaches_nothing_of_ours(address: str, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{address}/mlflow/")
    page.wait_for_function("document.title === 'ran'")
    tried = page.evaluate("window.tried")
    assert tried.pop("own") == 200, "the script ran, and MLflow's own address answers it"
    assert set(tried.values()) == {"refused"}, tried
    assert {path for path in _Site.asked if not path.startswith("/mlflow/")} <= {"/favicon.ico"}
    page.close()


@pytest.mark.parametrize("path", ["inline", "artifact"])
def test_only_mlflows_own_files_are_scripts(address: str, browser: Browser, path: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/mlflow/{path}", wait_until="load")
    assert page.title() == "quiet"
    page.close()

"""The routes of artifacts: what is downloaded is never rendered as ours."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.responses import JSONResponse

from tidemill.artifacts import NewArtifact, ingest, ingest_bytes, preview, record_artifact, store
from tidemill.artifacts.api import routes
from tidemill.base.errors import TidemillError
from tidemill.base.site import Site


@pytest.fixture
def client(site: Site, people: Any) -> TestClient:
    """A client of somebody who may read."""
    store.metadata.create_all(site.database.engine)
    app = FastAPI()
    app.state.find_actor = lambda _request: people.viewer
    app.include_router(routes(site))

    @app.exception_handler(TidemillError)
    async def answer(_request: Request, problem: TidemillError) -> JSONResponse:
        return JSONResponse(problem.to_json(), status_code=problem.http_status)

    return TestClient(app)


def _record(site: Site, people: Any, **more: Any) -> str:
    new = NewArtifact(**{"name": "report", "type": "system.HTML", **more})
    with site.database.write() as connection:
        author = people.author
        return record_artifact(connection, site, new, namespace_id=author.namespace_id, created_by=author.person).id


def test_html_is_an_attachment_in_a_sandbox(site: Site, people: Any, client: TestClient) -> None:
    found = _record(site, people, content=ingest_bytes(site, b"<script>alert(1)</script>"))
    answer = client.get(f"/artifacts/{found}/content")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")


def test_a_name_cannot_break_out_of_its_header(site: Site, people: Any, client: TestClient) -> None:
    found = _record(site, people, name='a"\r\nX-Evil: 1', type="system.Dataset", content=ingest_bytes(site, b"1"))
    answer = client.get(f"/artifacts/{found}/content")
    assert "x-evil" not in answer.headers
    assert "%0D%0A" in answer.headers["content-disposition"]


def test_files_of_a_folder_are_listed_and_fetched_by_path(site: Site, people: Any, client: TestClient) -> None:
    root = site.home.work / "tree"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "file.txt").write_text("text")
    found = _record(site, people, content=ingest(site, root), type="system.Model")
    assert [one["path"] for one in client.get(f"/artifacts/{found}/entries").json()] == ["deep", "deep/file.txt"]
    assert client.get(f"/artifacts/{found}/content", params={"path": "deep/file.txt"}).text == "text"
    for path in ("", "deep", "../state.db", "/etc/passwd"):
        assert client.get(f"/artifacts/{found}/content", params={"path": path}).status_code == 404


def test_a_damaged_artifact_is_not_sent(site: Site, people: Any, client: TestClient) -> None:
    content = ingest_bytes(site, b"rows")
    found = _record(site, people, content=content)
    (site.home.blobs / content.digest[7:9] / content.digest[9:]).unlink()
    answer = client.get(f"/artifacts/{found}/content")
    assert answer.status_code == 500
    assert answer.json()["error"] == "corrupt_artifact"


def test_lists_and_lineage_are_json(site: Site, people: Any, client: TestClient) -> None:
    found = _record(site, people, content=ingest_bytes(site, b"rows"), metadata={"rows": 1})
    assert client.get("/artifacts").json()["items"][0]["id"] == found
    assert client.get(f"/artifacts/{found}/lineage").json()["artifact"]["metadata"] == {"rows": 1}
    assert client.get("/artifacts/nothing").status_code == 404


def test_a_table_is_looked_into_by_another_process_and_what_is_none_says_so(
    site: Site, people: Any, client: TestClient
) -> None:
    found = _record(site, people, type="system.Dataset", content=ingest_bytes(site, b"a,b\n1,<b>x</b>\n"))
    told = client.get(f"/artifacts/{found}/preview").json()
    assert (told["rows"], told["cells"], told["problem"]) == (1, [[1, "<b>x</b>"]], "")
    pickled = _record(site, people, content=ingest_bytes(site, b"\x80\x04\x95"))
    assert "is no table" in client.get(f"/artifacts/{pickled}/preview").json()["problem"]
    assert client.get(f"/artifacts/{found}/preview?path=other").status_code == 404
    assert client.get("/artifacts/none/preview").status_code == 404


def test_a_table_that_takes_too_long_says_so(
    site: Site, people: Any, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "SECONDS", 0.01)
    found = _record(site, people, content=ingest_bytes(site, b"a\n1\n"))
    assert "took more than" in client.get(f"/artifacts/{found}/preview").json()["problem"]
    monkeypatch.setattr(preview, "SECONDS", 20.0)
    assert client.get(f"/artifacts/{found}/preview").json()["cells"] == [[1]], "its turn was given back"

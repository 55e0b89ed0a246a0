"""The routes of data: versions are recorded and found, bytes come in a stream and become artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.testclient import TestClient

from tidemill.access import Role, create_token, local_token
from tidemill.artifacts.pack import FILE_TYPE, FOLDER_TYPE, PIECE_BYTES, pack_file, pack_folder
from tidemill.data import SeenVersion, take
from tidemill.platform import Platform
from tidemill.server.app import create_app

ROWS = b"a,b\n1,2\n"
SEEN = SeenVersion(
    repository="git:1",
    path="data/rows.csv",
    dvc_file="data/rows.csv.dvc",
    hash=f"md5:{hashlib.md5(ROWS).hexdigest()}",
    size_bytes=5_000_000_000,
    file_count=1,
    row_count=1,
    git_commit=None,
)


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """The owner's client."""
    headers = {"Authorization": f"Bearer {local_token(platform.site)}"}
    return TestClient(create_app(platform), base_url="http://localhost/api/v1", headers=headers)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A table."""
    path = tmp_path / "rows.csv"
    path.write_bytes(ROWS)
    return path


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _upload(client: TestClient, data: Any, *, media_type: str = FILE_TYPE, **params: str) -> Any:
    params = {"path": "rows.csv", "digest": _digest(ROWS), **params}
    return client.post("/data/uploads", params=params, content=data, headers={"Content-Type": media_type})


def test_a_version_is_recorded_once_and_found(client: TestClient) -> None:
    made = client.post("/data/versions", json=asdict(SEEN))
    assert made.status_code == 201
    assert client.post("/data/versions", json=asdict(SEEN)).json() == made.json()
    for params in ({}, {"path": SEEN.path}, {"hash": SEEN.hash, "repository": SEEN.repository}):
        listed = client.get("/data/versions", params=params).json()
        assert [each["id"] for each in listed["items"]] == [made.json()["id"]]
    assert client.get("/data/versions", params={"hash": "md5:0"}).json()["items"] == []
    shown = client.get(f"/data/versions/{made.json()['id']}").json()
    assert (shown["hash"], shown["size_bytes"]) == (SEEN.hash, 5_000_000_000)
    assert "namespace_id" not in shown


@pytest.mark.parametrize(
    "wrong",
    [{"hash": "md5:1"}, {"size_bytes": -1}, {"size_bytes": 2**70}, {"path": ""}, {"git_commit": "HEAD"}, {"id": "x"}],
)
def test_a_version_that_cannot_be_is_refused(client: TestClient, wrong: dict[str, Any]) -> None:
    assert client.post("/data/versions", json={**asdict(SEEN), **wrong}).status_code == 400


def test_bytes_are_asked_for_once_and_become_the_artifact_of_their_version(client: TestClient, rows: Path) -> None:
    version_id = client.post("/data/versions", json=asdict(SEEN)).json()["id"]
    offer = {"path": "rows.csv", "digest": _digest(ROWS), "kind": "file", "version_id": version_id}
    assert client.post("/data/offers", json=offer).json() == {"artifact": None}
    made = _upload(client, iter(pack_file(rows)), version_id=version_id)
    assert made.status_code == 201
    assert made.json()["metadata"]["data_version"] == SEEN.hash
    assert client.post("/data/offers", json=offer).json() == {"artifact": made.json()}
    assert _upload(client, ROWS, version_id=version_id).json()["id"] == made.json()["id"]


def test_a_folder_comes_as_a_tar_stream(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "images" / "inner").mkdir(parents=True)
    (tmp_path / "images" / "inner" / "one").write_bytes(b"1")
    parcel = pack_folder(tmp_path / "images")
    made = _upload(client, iter(parcel), media_type=FOLDER_TYPE, path="images", digest=parcel.content.digest)
    assert (made.status_code, made.json()["kind"], made.json()["size_bytes"]) == (201, "tree", 1)
    assert client.get(f"/artifacts/{made.json()['id']}/content", params={"path": "inner/one"}).content == b"1"


def test_what_is_wrong_with_an_upload_is_said(client: TestClient) -> None:
    version = client.post("/data/versions", json={**asdict(SEEN), "hash": "md5:" + "0" * 32}).json()["id"]
    for answer, status, says in (
        (_upload(client, ROWS, media_type="text/csv"), 400, "cannot take 'text/csv'"),
        (_upload(client, ROWS, digest=_digest(b"other")), 409, "not what was offered"),
        (_upload(client, ROWS, version_id=version), 409, "not those of the version"),
        (_upload(client, ROWS, version_id="none"), 404, "no dataset version"),
        (_upload(client, ROWS, digest="sha256:0"), 400, "should match pattern"),
        (_upload(client, ROWS, media_type=FOLDER_TYPE), 400, "ends before its end"),
    ):
        assert (answer.status_code, says in answer.json()["message"]) == (status, True), answer.text
    assert client.get("/artifacts").json()["items"] == []


def test_a_viewer_brings_nothing(client: TestClient, platform: Platform) -> None:
    secret = create_token(platform.site, platform.actor, person="vera", roles=frozenset({Role.VIEWER}))[1]
    client.headers["Authorization"] = f"Bearer {secret}"
    offer = {"path": "rows.csv", "digest": _digest(ROWS), "kind": "file"}
    assert client.post("/data/versions", json=asdict(SEEN)).status_code == 403
    assert client.post("/data/offers", json=offer).status_code == 403
    assert _upload(client, ROWS).status_code == 403


def test_an_upload_is_never_whole_in_memory_also_with_a_key(
    client: TestClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is written before the next but one is asked for."""
    asked, written = 0, 0
    ahead: list[int] = []
    feed = take.Upload.feed

    def counted(self: take.Upload, piece: bytes) -> None:
        nonlocal written
        written += len(piece)
        feed(self, piece)

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal asked
        for _ in range(8):
            asked += PIECE_BYTES
            ahead.append(asked - written)
            yield bytes(PIECE_BYTES)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(platform))
        headers = {**client.headers, "Content-Type": FILE_TYPE, "Idempotency-Key": "one"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as streaming:
            params = {"path": "zeros", "digest": _digest(bytes(8 * PIECE_BYTES))}
            return await streaming.post("/api/v1/data/uploads", params=params, content=pieces(), headers=headers)

    monkeypatch.setattr(take.Upload, "feed", counted)
    assert anyio.run(send).status_code == 201
    assert max(ahead) <= 2 * PIECE_BYTES


def test_an_upload_that_is_broken_off_leaves_nothing(client: TestClient, platform: Platform) -> None:
    async def broken() -> None:
        messages = iter([{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(messages)

        async def send(_message: Any) -> None:
            pass

        query = f"path=rows.csv&digest={_digest(ROWS)}".encode()
        headers = [(b"host", b"localhost"), (b"content-type", FILE_TYPE.encode())]
        headers.append((b"authorization", client.headers["Authorization"].encode()))
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/v1/data/uploads",
            "raw_path": b"/api/v1/data/uploads",
            "query_string": query,
            "headers": headers,
            "http_version": "1.1",
            "scheme": "http",
        }
        await create_app(platform)(scope, receive, send)

    anyio.run(broken)
    assert not list(platform.home.work.iterdir())
    assert client.get("/artifacts").json()["items"] == []

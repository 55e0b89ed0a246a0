"""A client of a service as another program is one: HTTP with a prediction token, nothing of Tidemill."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

Row = Mapping[str, Any]
TIMEOUT_SECONDS = 30.0
PAUSE_SECONDS = 0.005
"""Between two requests of a stream, so that it does not take the machine from what it watches."""
CALLERS = 100
"""A stream is of so many callers, each of whom stays with a revision."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The address of one service at the gateway, and the token to ask it."""

    url: str
    name: str
    token: str

    def client(self) -> httpx.Client:
        """A client that keeps its connection."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.Client(
            base_url=f"{self.url}/serving/default/{self.name}", headers=headers, timeout=TIMEOUT_SECONDS
        )

    def v1(self, rows: Sequence[Row]) -> tuple[list[Any], str]:
        """The predictions by the V1 protocol, and the id under which they are logged."""
        with self.client() as client:
            reply = client.post(f"/v1/models/{self.name}:predict", json={"instances": list(rows)})
        assert reply.status_code == 200, reply.text
        return list(reply.json()["predictions"]), reply.headers["x-request-id"]

    def told_apart(self, rows: Sequence[tuple[str, Row]]) -> list[tuple[int, str]]:
        """Each row asked about by a caller of that name: the status, and the id under which it is logged."""
        told = []
        with self.client() as client:
            for caller, row in rows:
                reply = client.post(
                    f"/v1/models/{self.name}:predict",
                    json={"instances": [row]},
                    headers={"x-tidemill-key": caller},
                )
                told.append((reply.status_code, reply.headers.get("x-request-id", "")))
        return told

    def metadata(self) -> dict[str, Any]:
        """The signature by the V2 protocol."""
        with self.client() as client:
            reply = client.get(f"/v2/models/{self.name}")
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def v2(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The reply by the V2 protocol, one tensor per column with the datatype that the service names."""
        with self.client() as client:
            reply = client.post(f"/v2/models/{self.name}/infer", json=self.v2_body(rows))
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def v2_body(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Rows as the tensors that the service's metadata asks for."""
        return {
            "inputs": [
                {
                    "name": each["name"],
                    "datatype": each["datatype"],
                    "shape": [len(rows), 1],
                    "data": [row[each["name"]] for row in rows],
                }
                for each in self.metadata()["inputs"]
            ]
        }


@dataclass
class Stream:
    """What a stream of requests saw: the version of each answer, and everything that was no answer."""

    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@contextmanager
def stream_of_requests(service: Service, row: Row) -> Iterator[Stream]:
    """Ask one service again and again while the block runs, by one connection and by a new one each in turn."""
    seen, stop = Stream(), threading.Event()
    body, turns = service.v2_body([row]), itertools.count()

    def ask(client: httpx.Client) -> None:
        caller = {"x-tidemill-key": f"caller {next(turns) % CALLERS}"}
        try:
            reply = client.post(f"/v2/models/{service.name}/infer", json=body, headers=caller)
        except httpx.HTTPError as problem:
            seen.failures.append(f"{type(problem).__name__}: {problem}")
            return
        if reply.status_code != 200:
            seen.failures.append(f"{reply.status_code}: {reply.text[:200]}")
        else:
            seen.versions.append(reply.json()["model_version"])

    def keep_asking() -> None:
        with service.client() as kept:
            while not stop.wait(PAUSE_SECONDS):
                ask(kept)
                with service.client() as fresh:
                    ask(fresh)

    thread = threading.Thread(target=keep_asking, name="stream")
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()

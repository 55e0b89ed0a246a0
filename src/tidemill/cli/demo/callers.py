"""People who ask a service, each with a key of its own, and what they were answered."""

from __future__ import annotations

import csv
import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tidemill.cli.demo.cars import Car
from tidemill.cli.demo.shell import Shell

CALLERS = 200
AT_A_TIME = 4
SECONDS_BETWEEN_REQUESTS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One request: its prediction id (empty when nobody answered), the car, and the HTTP status (0: none)."""

    id: str
    car: Car
    status: int


@dataclass
class Callers:
    """Asks the service `fuel`, and keeps what was answered."""

    address: str
    token: str
    answers: list[Answer] = field(default_factory=list)

    def ask_all(self, cars: Iterable[Car]) -> list[Answer]:
        """Ask about each car once."""
        with self._client() as client:
            return [self._ask(client, number, car) for number, car in enumerate(cars)]

    @contextmanager
    def asking(self, cars: Sequence[Car]) -> Iterator[None]:
        """Ask about these cars again and again within the block."""
        stop = threading.Event()
        turns = itertools.count()

        def ask() -> None:
            with self._client() as client:
                while not stop.wait(SECONDS_BETWEEN_REQUESTS):
                    number = next(turns)
                    self._ask(client, number, cars[number % len(cars)])

        threads = [threading.Thread(target=ask, name="caller") for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def _ask(self, client: httpx.Client, number: int, car: Car) -> Answer:
        key = {"X-Tidemill-Key": f"caller {number % CALLERS}"}
        try:
            reply = client.post("/v1/models/fuel:predict", json={"instances": [car.asked]}, headers=key)
            answer = Answer(id=reply.headers.get("x-request-id", ""), car=car, status=reply.status_code)
        except httpx.HTTPError:
            answer = Answer(id="", car=car, status=0)
        self.answers.append(answer)
        return answer


def callers_of(shell: Shell) -> Callers:
    """Callers with a fresh prediction token."""
    token = shell.tidemill("service", "token", "fuel").strip()
    return Callers(address=f"{shell.url()}/serving/default/fuel", token=token)


def write_truth(path: Path, answers: Iterable[Answer]) -> None:
    """What was measured for the cars of these answers, as a file for `tidemill service truth`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["prediction_id", "mpg"])
        writer.writerows([answer.id, answer.car.miles] for answer in answers if answer.status == httpx.codes.OK)

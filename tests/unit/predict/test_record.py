"""The near end of the prediction log: bounded, counting what it drops, never waiting."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

from tidemill_runtime.predict.record import PredictionLog


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


def test_records_arrive_as_one_json_line_with_their_source(tmp_path: Path) -> None:
    async def main() -> bytes:
        log = PredictionLog(str(tmp_path / "s"), {"service": "fuel"})
        log.append([1])
        log.append([2])
        log.drain(1.0)
        connection, _ = listener.accept()
        with connection:
            return connection.recv(65536)

    with listen(tmp_path / "s") as listener:
        frame = json.loads(asyncio.run(main()))
    assert frame == {"schema_version": 1, "service": "fuel", "dropped": 0, "records": [[1], [2]]}


def test_without_a_recorder_the_oldest_are_dropped_and_the_count_is_told_later(tmp_path: Path) -> None:
    async def main() -> None:
        log = PredictionLog(str(tmp_path / "s"), {}, max_records=3)
        for number in range(5):
            log.append([number])
        assert not log.flush()
        with listen(tmp_path / "s") as listener:
            log._next_connect = 0.0
            assert log.flush()
            connection, _ = listener.accept()
            with connection:
                frame = json.loads(connection.recv(65536))
        assert frame["records"] == [[2], [3], [4]]
        assert frame["dropped"] == 2
        log.close()

    asyncio.run(main())


def test_a_recorder_that_does_not_read_never_holds_up_a_reply(tmp_path: Path) -> None:
    async def main() -> None:
        log = PredictionLog(str(tmp_path / "s"), {}, max_records=100)
        longest = 0.0
        for number in range(2000):
            log.append([number, "x" * 10_000])
            if number % 100 == 99:
                started = time.perf_counter()
                log.flush()
                longest = max(longest, time.perf_counter() - started)
        assert log.dropped > 0
        assert longest < 0.5
        log.close()

    with listen(tmp_path / "s"):
        asyncio.run(main())

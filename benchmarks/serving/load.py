"""A load generator: `wrk` where it is installed, else a small asyncio client; one process, on one core."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """Requests per second, and the median and 99th percentile of their times in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


def measure(url: str, body: bytes, *, connections: int, seconds: float, core: int | None) -> Measured:
    """POST `body` to `url` over so many connections for so long, in a process of its own."""
    if shutil.which("wrk"):
        return _wrk(url, body, connections, seconds, core)
    argv = [sys.executable, __file__, url, body.decode(), str(connections), str(seconds)]
    done = subprocess.run([*_pinned(core), *argv], capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout))


def _pinned(core: int | None) -> list[str]:
    return [] if core is None or not shutil.which("taskset") else ["taskset", "-c", str(core)]


def _wrk(url: str, body: bytes, connections: int, seconds: float, core: int | None) -> Measured:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f'wrk.method = "POST"\nwrk.body = {json.dumps(body.decode())}\n'
            'wrk.headers["content-type"] = "application/json"\n'
            "done = function(s, l, r)\n"
            'io.write(string.format("RESULT %d %d %f %f %d\\n", s.requests, s.duration,'
            " l:percentile(50), l:percentile(99), s.errors.status + s.errors.read + s.errors.write + s.errors.timeout"
            " + s.errors.connect))\nend\n"
        )
        script.flush()
        argv = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "-s", script.name, url]
        done = subprocess.run([*_pinned(core), *argv], capture_output=True, text=True, check=True)
    found = re.search(r"RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)", done.stdout)
    if found is None:
        raise RuntimeError(done.stdout)
    requests, micros, p50, p99, errors = (float(each) for each in found.groups())
    return Measured(requests / (micros / 1e6), p50 / 1000, p99 / 1000, int(errors))


async def _client(host: str, port: int, request: bytes, until: float, times: list[float]) -> int:
    reader, writer = await asyncio.open_connection(host, port)
    errors = 0
    while time.perf_counter() < until:
        started = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))  # type: ignore[union-attr] # always there
        await reader.readexactly(size)
        times.append(time.perf_counter() - started)
        errors += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return errors


async def _main(url: str, body: str, connections: int, seconds: float) -> dict[str, float]:
    host, port, path = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", url).groups()  # type: ignore[union-attr] # ours
    request = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n{body}"
    ).encode()
    times: list[float] = []
    started = time.perf_counter()
    clients = (_client(host, int(port), request, started + seconds, times) for _ in range(connections))
    errors = sum(await asyncio.gather(*clients))
    took = time.perf_counter() - started
    times.sort()
    return {
        "per_second": len(times) / took,
        "p50_ms": times[len(times) // 2] * 1000,
        "p99_ms": times[int(len(times) * 0.99)] * 1000,
        "errors": errors,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))))
    sys.exit(0)

"""Timer-less batching: requests that arrive within a few turns of the event loop share one `predict`."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Deque, List, Optional, Tuple

from tidemill_runtime.predict.query import Query
from tidemill_runtime.predict.refusal import Refusal, bad_request, overloaded

MAX_TURNS = 4
"""How often a batch that still grows waits for one more turn; a lone request waits for two, a few microseconds."""

IN_LOOP_SECONDS = 0.003
"""A batch expected to take longer runs in the worker thread, so that health checks are answered meanwhile."""

SLOW_SECONDS = 0.05

Outputs = List[List[Any]]
Predict = Callable[[Any], Outputs]
"""Rows (lists or a 2-D array) in; for each output of the signature one list with an item per row."""


class Batcher:
    """Collects queries, runs them together, and hands each its own rows of the result.

    A batch that fails is run again query by query, so that only the bad one gets the error.
    """

    def __init__(self, predict: Predict, *, max_batch_rows: int = 512, max_queued_rows: int = 8192) -> None:
        self._predict = predict
        self._max_batch_rows = max_batch_rows
        self._max_queued_rows = max_queued_rows
        self._waiting: Deque[Tuple[Query, asyncio.Future[Any]]] = deque()
        self._queued_rows = 0
        self._seen = 0
        self._turns = 0
        self._scheduled = False
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="predict")
        self._seconds_per_call = 0.0
        self._seconds_per_row = 1.0  # until measured, every batch runs in the worker thread
        self._correction = 1.0
        self.batches = 0
        self.rows = 0

    def submit(self, query: Query) -> asyncio.Future[Outputs]:
        """A future of the query's outputs; raises the refusal 429 when the queue is full."""
        if self._queued_rows + query.count > self._max_queued_rows and self._queued_rows:
            raise overloaded(f"{self._queued_rows} rows are waiting; try again later")
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Outputs] = loop.create_future()
        self._waiting.append((query, future))
        self._queued_rows += query.count
        if not self._scheduled:
            self._scheduled = True
            self._seen = self._turns = 0
            loop.call_soon(self._turn)
        return future

    def measure(self, rows: Any, count: int) -> None:
        """Learn from sample rows what one call and one row cost; the first, cold call does not count."""
        if self._timed(rows[:1]) > SLOW_SECONDS:
            self._seconds_per_call = alone = self._timed(rows[:1])
            self._seconds_per_row, self._correction = 0.0, 1.0
            if alone > SLOW_SECONDS:
                return  # far from the loop whatever a row costs: no need to make the start longer
        alone = min(self._timed(rows[:1]) for _ in range(3))
        together = min(self._timed(rows) for _ in range(3)) if count > 1 else alone
        self._seconds_per_row = max(0.0, together - alone) / max(1, count - 1)
        self._seconds_per_call, self._correction = alone, 1.0

    def close(self) -> None:
        """Stop the worker thread."""
        self._worker.shutdown(wait=False)

    def _timed(self, rows: Any) -> float:
        started = time.perf_counter()
        self._predict(rows)
        return time.perf_counter() - started

    def _turn(self) -> None:
        count = len(self._waiting)
        if count > self._seen and self._turns < MAX_TURNS and self._queued_rows < self._max_batch_rows:
            self._seen = count
            self._turns += 1
            self._loop.call_soon(self._turn)  # type: ignore[union-attr] # set by submit
            return
        self._start_batch()

    def _start_batch(self) -> None:
        batch, rows = self._take()
        expected = self._seconds_per_call + self._seconds_per_row * rows
        if expected * self._correction <= IN_LOOP_SECONDS:
            self._deliver(batch, self._run(expected, [query for query, _ in batch]))
            self._next()
            return
        running = self._loop.run_in_executor(  # type: ignore[union-attr] # set by submit
            self._worker, self._run, expected, [query for query, _ in batch]
        )
        running.add_done_callback(lambda done: self._from_worker(batch, done))

    def _run(self, expected: float, queries: List[Query]) -> List[Any]:
        started = time.perf_counter()
        results = _run(self._predict, queries)
        took = time.perf_counter() - started
        # rows in a request may cost more than the sample's did: believe what happens, slowly
        self._correction += 0.1 * (took / max(expected, 1e-6) - self._correction)
        return results

    def _take(self) -> Tuple[List[Tuple[Query, asyncio.Future[Any]]], int]:
        batch = [self._waiting.popleft()]
        rows = batch[0][0].count
        while self._waiting and rows + self._waiting[0][0].count <= self._max_batch_rows:
            item = self._waiting.popleft()
            rows += item[0].count
            batch.append(item)
        self._queued_rows -= rows
        self.batches += 1
        self.rows += rows
        return batch, rows

    def _from_worker(self, batch: List[Tuple[Query, asyncio.Future[Any]]], done: asyncio.Future[Any]) -> None:
        self._deliver(batch, done.result())
        self._next()

    def _next(self) -> None:
        if self._waiting:
            self._seen = self._turns = 0
            self._loop.call_soon(self._turn)  # type: ignore[union-attr] # set by submit
        else:
            self._scheduled = False

    def _deliver(self, batch: List[Tuple[Query, asyncio.Future[Any]]], results: List[Any]) -> None:
        for (_, future), result in zip(batch, results):
            if future.cancelled():
                continue
            if isinstance(result, Refusal):
                future.set_exception(result)
            else:
                future.set_result(result)


def _run(predict: Predict, queries: List[Query]) -> List[Any]:
    """For each query its outputs or the refusal that it gets; never raises."""
    if len(queries) == 1:
        return [_run_alone(predict, queries[0])]
    try:
        outputs = predict(_together(queries))
        _check_count(outputs, sum(query.count for query in queries))
    except Exception:  # noqa: BLE001 -- the model is foreign code; each query is tried alone to find the bad one
        return [_run_alone(predict, query) for query in queries]
    results, start = [], 0
    if len(outputs) == 1:
        values = outputs[0]
        for query in queries:
            end = start + query.count
            results.append([values[start:end]])
            start = end
        return results
    for query in queries:
        end = start + query.count
        results.append([values[start:end] for values in outputs])
        start = end
    return results


def _run_alone(predict: Predict, query: Query) -> Any:
    try:
        outputs = predict(query.rows)
        _check_count(outputs, query.count)
    except (ValueError, TypeError, OverflowError) as problem:
        # the types were checked, so the model refuses the values: a category it never saw, a NaN
        return bad_request(f"the model refuses these values: {str(problem)[:500]}")
    except Exception as problem:  # noqa: BLE001 -- the model is foreign code; its failure must become a reply
        traceback.print_exc(file=sys.stderr)
        return Refusal(500, f"the model failed: {type(problem).__name__}: {str(problem)[:500]}")
    return outputs


def _together(queries: List[Query]) -> Any:
    if all(type(query.rows) is list for query in queries):
        return [row for query in queries for row in query.rows]
    import numpy

    return numpy.concatenate([numpy.asarray(query.rows) for query in queries])


def _check_count(outputs: Outputs, count: int) -> None:
    for values in outputs:
        if len(values) != count:
            raise RuntimeError(f"the model gave {len(values)} results for {count} rows")

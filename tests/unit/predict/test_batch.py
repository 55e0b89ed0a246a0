"""Batching without a timer: who came together is predicted together, and who fails, fails alone."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy
import pytest
from tests.unit.predict.models import Breaking

from tidemill_runtime.predict.batch import Batcher, Outputs
from tidemill_runtime.predict.query import Query
from tidemill_runtime.predict.refusal import Refusal


class Counting:
    """Sums rows, remembering how many came at a time and in which thread."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.threads: set[str] = set()

    def __call__(self, rows: Any) -> Outputs:
        self.sizes.append(len(rows))
        self.threads.add(threading.current_thread().name)
        return [numpy.asarray(rows, dtype="float64").sum(axis=1).tolist()]


def query(*rows: list[float]) -> Query:
    return Query(list(rows), len(rows), None)


async def gather(batcher: Batcher, *queries: Query) -> list[Any]:
    async def one(each: Query) -> Any:
        return await batcher.submit(each)

    return await asyncio.gather(*(one(each) for each in queries), return_exceptions=True)


def test_requests_of_the_same_moment_share_one_call_and_each_gets_its_rows() -> None:
    predict = Counting()
    batcher = Batcher(predict)
    batcher.measure([[1.0]] * 4, 4)
    predict.sizes.clear()
    results = asyncio.run(gather(batcher, query([1.0]), query([2.0], [3.0]), query([4.0])))
    assert results == [[[1.0]], [[2.0, 3.0]], [[4.0]]]
    assert predict.sizes == [4]


def test_a_lone_request_is_answered_without_a_timer() -> None:
    batcher = Batcher(Counting())
    batcher.measure([[1.0]], 1)

    async def turns() -> int:
        future, count = batcher.submit(query([1.0])), 0
        while not future.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns()) <= 5


def test_an_unmeasured_or_slow_model_runs_in_the_worker_thread_and_a_quick_one_in_the_loop() -> None:
    predict = Counting()
    batcher = Batcher(predict)
    asyncio.run(gather(batcher, query([1.0])))
    assert predict.threads == {"predict_0"}
    batcher.close()
    batcher = Batcher(predict)
    batcher.measure([[1.0]] * 4, 4)
    predict.threads.clear()
    asyncio.run(gather(batcher, query([1.0])))
    assert predict.threads == {"MainThread"}
    batcher.close()


def test_a_bad_row_fails_alone_and_its_neighbours_are_answered() -> None:
    model = Breaking()
    batcher = Batcher(lambda rows: [model.predict(rows).tolist()])
    good, bad, other = asyncio.run(gather(batcher, query([1.0, 2.0]), query([666.0, 0.0]), query([3.0, 4.0])))
    assert (good, other) == ([[3.0]], [[7.0]])
    assert isinstance(bad, Refusal)
    assert bad.status == 500
    batcher.close()


def test_a_model_with_the_wrong_number_of_answers_never_gives_a_caller_anothers() -> None:
    model = Breaking()
    batcher = Batcher(lambda rows: [model.predict(rows).tolist()])
    good, bad = asyncio.run(gather(batcher, query([1.0, 2.0]), query([667.0, 0.0])))
    assert good == [[3.0]]
    assert isinstance(bad, Refusal)
    batcher.close()


def test_values_that_the_model_refuses_are_the_clients_fault() -> None:
    def predict(rows: Any) -> Outputs:
        raise ValueError("unknown category")

    batcher = Batcher(predict)
    (problem,) = asyncio.run(gather(batcher, query([1.0])))
    assert isinstance(problem, Refusal)
    assert problem.status == 400
    batcher.close()


def test_a_full_queue_is_told_with_429_and_retry_after() -> None:
    batcher = Batcher(Counting(), max_queued_rows=2)

    async def fill() -> None:
        batcher.submit(query([1.0], [2.0]))
        with pytest.raises(Refusal) as caught:
            batcher.submit(query([3.0]))
        assert caught.value.status == 429
        assert dict(caught.value.headers)[b"retry-after"] == b"1"

    asyncio.run(fill())
    batcher.close()


def test_arrays_and_lists_of_one_moment_are_joined() -> None:
    batcher = Batcher(Counting())
    batcher.measure([[1.0, 1.0]], 1)
    matrix = Query(numpy.array([[5.0, 6.0]]), 1, None)
    assert asyncio.run(gather(batcher, query([1.0, 2.0]), matrix)) == [[[3.0]], [[11.0]]]

"""The verb compute: the windows of some services anew from the log; `python -m` this, jobs in, windows out.

Runs in a process of its own, so that scipy and pyarrow are in no other, and a crash leaves the windows as they were.
"""

from __future__ import annotations

import json
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from tidemill.base.errors import InvalidInput
from tidemill.base.home import Home
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.statistics import DriftStatistic, find_statistics
from tidemill.monitoring.windows.bucket import Bucket
from tidemill.monitoring.windows.cut import ByRows, ByTime, Frame
from tidemill.monitoring.windows.inspect import Reference, inspect
from tidemill.monitoring.windows.job import Computed, Job, Outcome, job_from_json
from tidemill.monitoring.windows.read_log import read_log

MOST_WINDOWS = 40
"""How many windows of a service are computed in one turn."""


def compute(home: Home, jobs: Sequence[Job]) -> list[Outcome]:
    """The windows of each job that are new or have changed, oldest first, at most `MOST_WINDOWS` of a service.

    The log is read twice: first to count, then to look at what has changed.
    """
    counts: dict[str, ByTime | ByRows] = {
        job.service_id: ByRows(job) if job.rules.window_rows else ByTime(job) for job in jobs
    }
    for job, record, moment in read_log(home, jobs):
        counts[job.service_id].add(record, moment)
    chosen = {job.service_id: sorted(counts.pop(job.service_id).frames(), key=lambda each: each.start) for job in jobs}
    looked = [job for job in jobs if chosen[job.service_id]]
    filled = {job.service_id: _Filled(chosen[job.service_id][:MOST_WINDOWS]) for job in looked}
    for job, record, _ in read_log(home, looked):
        filled[job.service_id].add(record, job.truths)
    return [_outcome(job, filled.get(job.service_id), len(chosen[job.service_id])) for job in jobs]


def _outcome(job: Job, filled: _Filled | None, frames: int) -> Outcome:
    problem = ""
    try:
        statistics = find_statistics(job.rules.extra_statistics)
    except InvalidInput as missing:
        statistics, problem = find_statistics(()), missing.message
    return Outcome(
        service_id=job.service_id,
        windows=tuple(_computed(job, filled, statistics)) if filled is not None else (),
        is_whole=frames <= MOST_WINDOWS,
        problem=problem,
    )


class _Filled:
    """The buckets of the chosen windows, found by revision and id."""

    def __init__(self, frames: Iterable[Frame]) -> None:
        self.buckets: dict[Frame, Bucket] = {}
        self.sources: dict[str, Prediction] = {}
        self._frames: dict[str, list[Frame]] = defaultdict(list)
        for frame in sorted(frames, key=lambda each: each.last_id):
            self._frames[frame.revision_id].append(frame)

    def add(self, record: Prediction, truths: Container[str]) -> None:
        frames = self._frames.get(record.revision_id, [])
        place = bisect_left(frames, record.id, key=lambda each: each.last_id)
        if place < len(frames) and frames[place].first_id <= record.id:
            self.buckets.setdefault(frames[place], Bucket()).add(record, truths)
            self.sources.setdefault(record.revision_id, record)


def _computed(job: Job, frames: _Filled, statistics: Sequence[DriftStatistic]) -> Iterator[Computed]:
    unknown = Reference(document=None, metrics={}, note="the revision is not known to the site")
    for frame, bucket in sorted(frames.buckets.items(), key=lambda item: item[0].start):
        source = frames.sources[frame.revision_id]
        reference = job.references.get(frame.revision_id, unknown)
        found = inspect(bucket, reference, job.truths, job.rules, statistics)
        yield Computed(
            revision_id=frame.revision_id,
            revision=source.revision[:20],
            model_version_id=source.model_version_id,
            start=frame.start,
            end=frame.end,
            first_id=frame.first_id,
            last_id=frame.last_id,
            state=frame.state,
            records=bucket.records,
            rows=bucket.rows,
            truths=found.truths,
            report=found.report,
            judged=tuple(found.judged),
            findings=tuple(found.findings),
        )


def main() -> None:
    """Jobs on standard input, outcomes on standard output."""
    asked = json.load(sys.stdin)
    done = compute(Home(path=Path(asked["home"])), [job_from_json(each) for each in asked["jobs"]])
    json.dump(
        [
            {
                "service_id": each.service_id,
                "windows": [window.to_json() for window in each.windows],
                "is_whole": each.is_whole,
                "problem": each.problem,
                "seconds": time.process_time() / len(done),
            }
            for each in done
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()

"""The records of services in stretches of time: spool files first, then the Parquet files that were not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tidemill.base.home import Home
from tidemill.monitoring.compact import HOUR, prediction_from_row
from tidemill.monitoring.frames import predictions_in
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.spool import all_spools, predictions_folder, spool_folder
from tidemill.monitoring.windows.job import Job
from tidemill.monitoring.windows.times import made_at

Span = tuple[datetime, datetime]
ROWS_AT_A_TIME = 5_000


def read_log(home: Home, jobs: Sequence[Job]) -> Iterator[tuple[Job, Prediction, datetime]]:
    """Each record of these services in the spans of its job, once, with the moment that its id tells.

    What did not come through the gateway, which names each request, nobody asked: it is the smoke test of a predictor.
    A spool file that becomes Parquet meanwhile is read as one of both: its Parquet file has its name.
    """
    by_service = {job.service_id: job for job in jobs}
    read: set[str] = set()
    for path in all_spools(spool_folder(home)):
        try:
            with path.open("rb") as file:
                read.add(path.stem)
                for line in file:
                    if line.endswith(b"\n"):
                        yield from _asked(by_service, predictions_in(line))
        except FileNotFoundError:
            continue  # compacted meanwhile: its Parquet files are read below
    for job in jobs:
        folder = predictions_folder(home) / job.namespace / job.service
        for hour in sorted(_hours(job.spans)):
            for path in sorted((folder / hour).glob("*.parquet")):
                if path.stem not in read:
                    yield from _asked({job.service_id: job}, _stored(path))


def _asked(by_service: Mapping[str, Job], records: Iterator[Prediction]) -> Iterator[tuple[Job, Prediction, datetime]]:
    for record in records:
        job = by_service.get(record.service_id)
        if job is None or record.namespace_id != job.namespace_id or record.request_id is None:
            continue
        moment = made_at(record.id)
        if moment is not None and any(start <= moment < end for start, end in job.spans):
            yield job, record, moment


def _hours(spans: Sequence[Span]) -> set[str]:
    """The folders in which the records of the spans are: a request may outlive its hour."""
    found = set()
    for start, end in spans:
        moment = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while moment < end + timedelta(hours=1):
            found.add(moment.strftime(HOUR))
            moment += timedelta(hours=1)
    return found


def _stored(path: object) -> Iterator[Prediction]:
    import pyarrow.parquet  # 0.3 s: only who reads old predictions pays

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_AT_A_TIME):
            for row in batch.to_pylist():
                yield prediction_from_row({**row, "time": row["time"].astimezone(UTC)})

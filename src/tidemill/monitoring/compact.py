"""The verb compact: closed spool files become Parquet, by namespace, service and hour."""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tidemill.base.home import Home
from tidemill.monitoring.frames import predictions_in
from tidemill.monitoring.model import Prediction
from tidemill.monitoring.spool import closed_spools, predictions_folder, spool_folder

HOUR = "%Y%m%dT%H"


def compact(home: Home) -> int:
    """Turn every closed spool file into Parquet and remove it; how many records that were.

    A file of the same name is written again after a crash, so that no record stands twice.
    """
    total = 0
    for spool in closed_spools(spool_folder(home)):
        groups: dict[tuple[str, str, str], list[Prediction]] = defaultdict(list)
        with spool.open("rb") as file:
            for line in file:
                for found in predictions_in(line):
                    groups[(found.namespace, found.service, found.time.strftime(HOUR))].append(found)
        for (namespace, service, hour), predictions in groups.items():
            folder = predictions_folder(home) / namespace / service / hour
            write_parquet(folder / f"{spool.stem}.parquet", predictions)
            total += len(predictions)
        spool.unlink()
    return total


def write_parquet(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions, sorted by id, beside the file and move it there."""
    import pyarrow
    import pyarrow.parquet

    rows = sorted(predictions, key=lambda each: each.id)
    table = pyarrow.table(
        {
            **{name: pyarrow.array([getattr(row, name) for row in rows], pyarrow.string()) for name in _TEXTS},
            "time": pyarrow.array([row.time for row in rows], pyarrow.timestamp("us", tz="UTC")),
            "status": pyarrow.array([row.status for row in rows], pyarrow.int16()),
            "latency_us": pyarrow.array([row.latency_us for row in rows], pyarrow.int64()),
            "inputs": pyarrow.array([_text(row.inputs) for row in rows], pyarrow.string()),
            "outputs": pyarrow.array([_text(row.outputs) for row in rows], pyarrow.string()),
        }
    ).replace_schema_metadata({"schema_version": "1"})
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(".new")
    try:
        pyarrow.parquet.write_table(table, temporary, row_group_size=20_000, compression="zstd")
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)  # half of one would only keep a full disk full


_TEXTS = (
    "id",
    "namespace_id",
    "namespace",
    "service",
    "service_id",
    "revision_id",
    "revision",
    "model_version_id",
    "protocol",
    "error",
    "request_id",
)


def prediction_from_row(row: dict[str, Any]) -> Prediction:
    """A prediction as it was written."""
    values = {**row, "inputs": json.loads(row["inputs"]), "outputs": json.loads(row["outputs"])}
    return Prediction(**values)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


if __name__ == "__main__":
    compact(Home(path=Path(sys.argv[1])))

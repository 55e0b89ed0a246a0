"""Scoring a Parquet file: every row or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tidemill.base.errors import InvalidInput, Unavailable
from tidemill.serving import Predicted, score

COLUMNS = ("wght", "year")


def table(folder: Path, rows: int = 1200, **more: Any) -> Path:
    """A file of rows with one column more than the model takes."""
    columns = {"name": [f"car {row}" for row in range(rows)], "wght": [float(row) for row in range(rows)]}
    path = folder / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({**columns, "year": [82] * rows, **more}), path)
    return path


def ask(instances: list[Any]) -> Predicted:
    return Predicted(
        predictions=[each["wght"] + each["year"] for each in instances], prediction_id=f"id{len(instances)}"
    )


def test_rows_keep_their_columns_and_get_the_prediction_and_its_id(tmp_path: Path) -> None:
    done = score(ask, COLUMNS, table(tmp_path), tmp_path / "out.parquet")
    assert (done.rows, done.requests) == (1200, 3)
    found = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    logged = {"prediction_id": "id500", "prediction_row": 1}
    assert found[1] == {"name": "car 1", "wght": 1.0, "year": 82, "prediction": 83.0, **logged}
    assert len(found) == 1200


def test_a_missing_value_is_sent_as_null(tmp_path: Path) -> None:
    sent: list[Any] = []

    def note(instances: list[Any]) -> Predicted:
        sent.extend(instances)
        return Predicted(predictions=[0.0] * len(instances), prediction_id="")

    score(note, COLUMNS, table(tmp_path, 2, wght=[float("nan"), None]), tmp_path / "out.parquet")
    assert [each["wght"] for each in sent] == [None, None]


def test_a_failure_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    calls: list[int] = []

    def failing(instances: list[Any]) -> Predicted:
        calls.append(len(instances))
        if len(calls) == 2:
            raise Unavailable("the service does not answer")
        return ask(instances)

    with pytest.raises(Unavailable):
        score(failing, COLUMNS, table(tmp_path), tmp_path / "out.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


def test_a_file_that_cannot_be_scored_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="lacks the columns colour"):
        score(ask, (*COLUMNS, "colour"), table(tmp_path), tmp_path / "out.parquet")
    (tmp_path / "text").write_text("no")
    with pytest.raises(InvalidInput, match="no Parquet"):
        score(ask, COLUMNS, tmp_path / "text", tmp_path / "out.parquet")
    with pytest.raises(InvalidInput, match="no rows"):
        score(ask, COLUMNS, table(tmp_path, 0), tmp_path / "out.parquet")

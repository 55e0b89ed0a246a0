"""The beginning of a table: of each format, of a part of it only, and of files that want to do harm."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy
import pyarrow
import pyarrow.parquet
import pytest

from tidemill.tables import beginnings
from tidemill.tables.compute import answer
from tidemill.tables.preview import CELL_CHARACTERS, COLUMNS, ROWS


def looked(path: Path) -> dict[str, Any]:
    """The answer about a file; it is strict JSON."""
    told = answer({"question": "preview", "path": str(path)})
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    return told


def refused(path: Path) -> str:
    return str(looked(path)["refused"]["message"])


def columns(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in told["columns"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "given"


def test_parquet_shows_rows_types_and_what_columns_hold(file: Path) -> None:
    table = pyarrow.table(
        {
            "n": [1, 2, None, 5],
            "f": [1.5, float("nan"), float("inf"), None],
            "s": ["a", "b", "a", None],
            "t": [date(2020, 1, day) for day in (1, 2, 3, 4)],
            "l": [[1], [2, 3], None, []],
            "big": [2**60, 1, 1, 1],
        }
    )
    pyarrow.parquet.write_table(table, file)
    told = looked(file)
    assert (told["format"], told["rows"], told["looked_at"], told["columns_in_all"]) == ("parquet", 4, 4, 6)
    found = columns(told)
    assert {name: found["n"][name] for name in ("type", "missing", "distinct", "least", "most")} == {
        "type": "int64",
        "missing": 1,
        "distinct": 3,
        "least": 1,
        "most": 5,
    }
    assert (found["f"]["missing"], found["f"]["most"], found["f"]["mean"]) == (2, 1.5, 1.5)
    assert found["s"]["common"] == ["a", 2]
    assert found["t"]["least"] == "2020-01-01"
    assert found["l"]["distinct"] is None
    assert told["cells"][1] == [2, "nan", "b", "2020-01-02", "[2, 3]", 1]
    assert told["cells"][0][5] == str(2**60), "a number that JavaScript would round is told as text"


@pytest.mark.parametrize("text", ["a,b\n1,x\n2,\n", "a;b\n1;x\n2;\n", '\ufeffa\tb\r\n1\t"x"\r\n2\t\r\n'])
def test_csv_is_read_whatever_separates_it(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    told = looked(file)
    assert (told["format"], told["rows"], [*columns(told)]) == ("csv", 2, ["a", "b"])
    assert told["cells"] == [[1, "x"], [2, ""]]


@pytest.mark.parametrize(
    "text", ['[{"a": 1, "b": "x"}, {"a": 2}]', '{"a": 1, "b": "x"}\n{"a": 2}\n', '{"a": [1, 2], "b": ["x", null]}']
)
def test_json_is_records_lines_or_columns(file: Path, text: str) -> None:
    file.write_text(text)
    told = looked(file)
    assert (told["format"], told["rows"], told["cells"]) == ("json", 2, [[1, "x"], [2, None]])


def test_json_of_other_shapes(file: Path) -> None:
    for text, cells in (
        ("[1, 2]", [[1], [2]]),
        ('{"a": {"b": 1}}', [['{"b": 1}']]),
        ('[{"a": 1}, {"a": "y"}]', [["1"], ["y"]]),
    ):
        file.write_text(text)
        assert looked(file)["cells"] == cells


@pytest.mark.parametrize(
    ("array", "cells"),
    [
        (numpy.arange(4.0).reshape(2, 2), [[0, 1], [2, 3]]),
        (numpy.arange(2), [[0], [1]]),
        (numpy.zeros((0, 3)), []),
        (numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), [[1, 2.5]]),
    ],
)
def test_arrays_are_rows(file: Path, array: Any, cells: list[Any]) -> None:
    with file.open("wb") as writer:
        numpy.save(writer, array)
    told = looked(file)
    assert (told["format"], told["rows"], told["cells"]) == ("npy", len(array), cells)


def test_only_a_part_of_a_large_table_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginnings, "MOST_ROWS", 1000)
    monkeypatch.setattr(beginnings, "MOST_TEXT_BYTES", 10_000)
    monkeypatch.setattr(beginnings, "MOST_JSON_BYTES", 10_000)
    wide = {f"c{number}": range(5000) for number in range(COLUMNS + 50)}
    pyarrow.parquet.write_table(pyarrow.table(wide), file)
    told = looked(file)
    assert (told["rows"], told["looked_at"], told["columns_in_all"]) == (5000, 1000, COLUMNS + 50)
    assert (len(told["cells"]), len(told["columns"])) == (ROWS, COLUMNS)
    file.write_text("a\n" + "1\n" * 600_000)
    told = looked(file)
    assert (told["rows"], told["looked_at"]) == (None, 1000)
    file.write_text(json.dumps(["x" * 20_000]))
    assert "JSON of 20004 bytes" in refused(file)


def test_a_row_that_does_not_fit_ends_a_csv_there(file: Path) -> None:
    file.write_text("a,b\n" + "1,2\n" * 400_000 + "1,2,3\n")
    told = looked(file)
    assert told["rows"] is None
    assert told["looked_at"] == beginnings.MOST_ROWS or "could not be read further" in told["note"]


class Bomb:
    """Leaves a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_is_ever_unpickled(file: Path, tmp_path: Path) -> None:
    bomb = Bomb(tmp_path / "went off")
    file.write_bytes(pickle.dumps(bomb))
    assert "is no table" in refused(file)
    with file.open("wb") as writer:
        numpy.save(writer, numpy.array([bomb], dtype=object), allow_pickle=True)
    assert "Python objects" in refused(file)
    assert not bomb.path.exists()
    pickle.loads(pickle.dumps(bomb))
    assert bomb.path.exists(), "it would have gone off"


def test_hostile_names_and_cells_come_as_short_text(file: Path) -> None:
    evil = ["=HYPERLINK(1)", "<script>x()</script>", "x" * 10_000, "\x1b[31m", "ü\n"]
    table = pyarrow.table({"<img src=x onerror=y>" * 50: evil, "binary": [b"\x00\xff" * 100] * 5})
    pyarrow.parquet.write_table(table, file)
    told = looked(file)
    shown = [row[0] for row in told["cells"]]
    assert shown[:2] == evil[:2]
    assert len(shown[2]) == CELL_CHARACTERS + 1
    assert len(told["columns"][0]["name"]) <= 101
    assert told["cells"][0][1].endswith("(200 bytes)")


@pytest.mark.parametrize(
    "data",
    [b"", b"   ", b"\x89PNG\r\n", b"PAR1" + b"\xff" * 50, b"\x93NUMPY\x01\x00\xff\xff" + b"x" * 40, b"[" * 100_000],
)
def test_what_is_no_table_is_refused_in_words(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    assert "table" in refused(file)
    file.write_text("[" + "9" * 5000 + "]")
    assert "cannot be read" in refused(file)


def test_an_array_that_claims_more_than_its_file_has_is_refused(file: Path) -> None:
    with file.open("wb") as writer:
        numpy.save(writer, numpy.zeros(3))
    whole = file.read_bytes()
    for shape in (b"(9,)", b"(-1)", b"(9*", b"(((("):
        file.write_bytes(whole.replace(b"(3,)", shape.ljust(4)))
        assert "cannot be read" in refused(file), shape


def test_the_process_has_what_it_needs(file: Path) -> None:
    file.write_text("a\n1\n")
    asked = json.dumps({"question": "preview", "path": str(file)})
    done = subprocess.run(
        [sys.executable, "-m", "tidemill.tables.compute"], input=asked, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["cells"] == [[1]]

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.data.rows import count_rows


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        ("a.csv", b"x,y\n1,2\n3,4\n", 2),
        ("a.csv", b'x,y\n"a\nb",2\n\n3,4', 2),
        ("a.tsv", b"x\ty\n1\t2\n", 1),
        ("a.csv", b"x,y\n", 0),
        ("a.csv", b"", 0),
        ("a.csv", b"x\n\xff\n", None),
        ("a.bin", b"x\n1\n", None),
        ("a.parquet", b"not a table", None),
    ],
)
def test_rows_are_counted_where_the_format_tells_them(
    tmp_path: Path, name: str, content: bytes, rows: int | None
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert count_rows(path) == rows


def test_a_parquet_file_tells_its_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"x": [1, 2, 3]}), tmp_path / "a.parquet")
    assert count_rows(tmp_path / "a.parquet") == 3

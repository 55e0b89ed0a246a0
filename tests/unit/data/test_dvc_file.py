from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.data.dvc_file import hash_file, read_dvc_file

MD5 = "593007c7536ac1439986b37371181136"


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cars.csv.dvc"
    path.write_text(text)
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    known = read_dvc_file(_written(tmp_path, f"outs:\n- md5: {MD5}\n  size: 404\n  hash: md5\n  path: cars.csv\n"))
    assert (known.hash, known.size_bytes, known.file_count) == (f"md5:{MD5}", 404, 1)
    assert known.data_path == tmp_path / "cars.csv"
    assert not known.is_folder


def test_a_folder_is_read(tmp_path: Path) -> None:
    text = f"outs:\n- md5: {MD5}.dir\n  size: 3\n  nfiles: 2\n  hash: md5\n  path: cars.csv\n"
    known = read_dvc_file(_written(tmp_path, text))
    assert (known.hash, known.file_count, known.is_folder) == (f"md5:{MD5}.dir", 2, True)


def test_a_version_of_dvc_2_is_refused_since_its_hash_is_of_other_bytes(tmp_path: Path) -> None:
    path = _written(tmp_path, f"outs:\n- md5: {MD5}\n  size: 404\n  path: cars.csv\n")
    with pytest.raises(InvalidInput, match="was written by DVC 2") as caught:
        read_dvc_file(path)
    assert caught.value.remedy == "add the data again: tidemill data add cars.csv"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "just text",
        "outs: []",
        f"outs:\n- {{md5: {MD5}, size: 1, hash: md5, path: a}}\n- {{md5: {MD5}, size: 1, hash: md5, path: b}}",
        f"outs:\n- {{md5: {MD5}, size: 1, hash: md5, path: ../../etc/passwd}}",
        f"outs:\n- {{md5: {MD5}, size: 1, hash: md5, path: ..}}",
        f"outs:\n- {{md5: {MD5}, hash: md5, path: cars.csv}}",
        "outs:\n- {size: 1, hash: md5, path: cars.csv}",
        "outs:\n- {md5: XYZ, size: 1, hash: md5, path: cars.csv}",
        f"wdir: ..\nouts:\n- {{md5: {MD5}, size: 1, hash: md5, path: cars.csv}}",
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    path = _written(tmp_path, text)
    with pytest.raises(InvalidInput, match=r"is not a \.dvc file that can be used") as caught:
        read_dvc_file(path)
    assert caught.value.place == str(path)


def test_a_files_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert hash_file(path) == "md5:d41d8cd98f00b204e9800998ecf8427e"

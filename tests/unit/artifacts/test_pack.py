"""A folder goes through a tar stream and is the same folder; what may not be in one is refused whole."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tidemill.artifacts import ContentKind, ingest, unpack
from tidemill.artifacts.manifest import encode
from tidemill.artifacts.pack import pack_file, pack_folder
from tidemill.artifacts.unpack import FileReceiver, FolderReceiver
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import Conflict, InvalidInput
from tidemill.base.site import Site

LONG = "/".join(["a-folder-with-a-long-name"] * 8) + "/" + "n" * 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of all kinds of names, lengths and modes, and an empty folder."""
    root = tmp_path / "data"
    for name, data in {
        "a.csv": b"a,b\n1,2\n",
        "empty": b"",
        "a/deep/block": bytes(512),
        "größe/日本": b"x" * 70_000,
        LONG: b"long",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "nothing in it").mkdir()
    (root / "a.csv").chmod(0o755)
    return root


def _sent(target: Path, data: bytes, piece_bytes: int = 1 << 20) -> FolderReceiver:
    receiver = FolderReceiver(target)
    try:
        for start in range(0, len(data), piece_bytes):
            receiver.feed(data[start : start + piece_bytes])
        receiver.finish()
    finally:
        receiver.close()
    return receiver


@pytest.mark.parametrize("piece_bytes", [1, 511, 513, 1 << 20])
def test_a_folder_arrives_as_it_was_in_whatever_pieces(
    site: Site, folder: Path, tmp_path: Path, piece_bytes: int
) -> None:
    parcel = pack_folder(folder)
    data = b"".join(parcel)
    assert len(data) == parcel.length_bytes
    receiver = _sent(tmp_path / "there", data, piece_bytes)
    assert digest_bytes(encode(receiver.entries())) == parcel.content.digest
    assert ingest(site, tmp_path / "there") == parcel.content


def test_the_stream_is_a_tar_that_others_read_and_theirs_is_taken(folder: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack_folder(folder)))) as archive:
        assert {each.name for each in archive if each.isreg()} == {
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        }
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.add(folder, arcname=".")
    receiver = _sent(tmp_path / "there", written.getvalue())
    assert digest_bytes(encode(receiver.entries())) == pack_folder(folder).content.digest


def test_only_the_named_files_and_their_folders_are_packed(folder: Path) -> None:
    names = [entry.path for entry in pack_folder(folder, ["a/deep/block", "a.csv"]).entries]
    assert names == ["a", "a.csv", "a/deep", "a/deep/block"]


def test_a_file_arrives_as_it_was(folder: Path, tmp_path: Path) -> None:
    parcel = pack_file(folder / "größe/日本")
    receiver = FileReceiver(tmp_path / "there")
    for piece in parcel:
        receiver.feed(piece)
    (received,) = receiver.finish().values()
    assert (received.digest, received.size_bytes) == (parcel.content.digest, parcel.length_bytes)
    assert parcel.content.kind is ContentKind.FILE


def test_a_link_is_followed_and_one_into_itself_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("elsewhere")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    packed = {entry.path: entry for entry in pack_folder(folder).entries}
    assert packed["link"].digest == digest_bytes(b"elsewhere")
    (folder / "a" / "round").symlink_to(folder)
    with pytest.raises(InvalidInput, match="folder that it lies in"):
        pack_folder(folder)


def test_what_is_neither_a_file_nor_a_folder_is_not_packed(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        pack_folder(folder)


@pytest.mark.parametrize("change", [b"", b"longer than before"])
def test_a_file_that_changes_its_length_on_the_way_is_not_sent(folder: Path, change: bytes) -> None:
    parcel = pack_file(folder / "a.csv")
    (folder / "a.csv").write_bytes(change)
    with pytest.raises(Conflict, match="changed while it was sent"):
        list(parcel)


def _member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: object) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512)


def _gnu(name: str) -> bytes:
    return tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT)


def _pax(record: bytes) -> bytes:
    return _member("PaxHeaders/x", tarfile.XHDTYPE, record)


END = bytes(1024)
BAD: dict[str, Callable[[], bytes]] = {
    "symbolic link": lambda: _member("a", tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": lambda: _member("a") + _member("b", tarfile.LNKTYPE, linkname="a"),
    "device": lambda: _member("a", tarfile.CHRTYPE),
    "pipe": lambda: _member("a", tarfile.FIFOTYPE),
    "contiguous file": lambda: _member("a", tarfile.CONTTYPE),
    "absolute": lambda: _member("/tmp/tidemill-outside"),
    "dots": lambda: _member("../outside"),
    "inner dots": lambda: _member("a/../../outside"),
    "dot": lambda: _member("a/./b"),
    "empty part": lambda: _member("a//b"),
    "twice": lambda: _member("a") + _member("a"),
    "twice by another spelling": lambda: _member("a") + _member("./a"),
    "folder twice": lambda: _member("a", tarfile.DIRTYPE) + _member("a", tarfile.DIRTYPE),
    "file then folder": lambda: _member("a") + _member("a", tarfile.DIRTYPE),
    "in a file": lambda: _member("a") + _member("a/b"),
    "folder with bytes": lambda: _member("a", tarfile.DIRTYPE, b"x"),
    "long part": lambda: _pax(b"267 path=" + b"n" * 257 + b"\n") + _member("short"),
    "long name": lambda: _pax(b"1112 path=" + b"n/" * 550 + b"n\n") + _member("short"),
    "deep": lambda: _member("/".join("a" * 60)),
    "NUL by pax": lambda: _pax(b"13 path=a\0b.\n") + _member("short"),
    "dots by pax": lambda: _pax(b"14 path=../a.\n") + _member("short"),
    "not UTF-8 by pax": lambda: _pax(b"12 path=\xff\xfe.\n") + _member("short"),
    "size by pax": lambda: _pax(b"11 size=-5\n") + _member("short"),
    "pax without sense": lambda: _pax(b"99 path=a\n") + _member("short"),
    "pax too large": lambda: _pax(b"x" * 70_000),
    "pax twice": lambda: _pax(b"10 path=a\n") + _pax(b"10 path=b\n") + _member("short"),
    "long name of GNU": lambda: _gnu("n" * 200),
    "no header": lambda: b"x" * 512,
    "checksum": lambda: _member("a").replace(b"ustar", b"usurp"),
    "bytes after the end": lambda: END + b"x" * 512,
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_what_may_not_be_in_a_folder_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    before = sorted(tmp_path.iterdir())
    data = make()
    with pytest.raises(InvalidInput):
        _sent(tmp_path / "there", data if data.endswith(b"x" * 512) and END in data else data + END)
    assert sorted(tmp_path.iterdir()) == [*before, tmp_path / "there"]
    assert not Path("/tmp/tidemill-outside").exists()
    assert not any(path.is_symlink() for path in (tmp_path / "there").rglob("*"))


def test_a_stream_that_breaks_off_is_not_a_folder(tmp_path: Path) -> None:
    data = _member("a", data=b"x" * 600)
    for length in (0, 100, 512, 1000, len(data)):
        with pytest.raises(InvalidInput, match="ends before its end"):
            _sent(tmp_path / str(length), data[:length])


def test_the_number_of_entries_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MOST_ENTRIES", 3)
    _sent(tmp_path / "three", _member("a/b/c") + END)
    with pytest.raises(InvalidInput, match="more than 3"):
        _sent(tmp_path / "four", _member("a/b/c/d") + END)

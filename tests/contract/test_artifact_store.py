"""The contract of a store of blobs; every backend and the fake pass it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.artifacts.blobs import ArtifactStore
from tidemill.artifacts.errors import CorruptArtifact
from tidemill.artifacts.folder_store import FolderStore
from tidemill.artifacts.memory_store import MemoryStore
from tidemill.artifacts.model import Content, ContentKind
from tidemill.base.canonical import digest_bytes
from tidemill.base.errors import InvalidInput, NotFound

ABSENT = "sha256:" + "0" * 64


class StoreContract:
    """What every `ArtifactStore` does."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> ArtifactStore:
        """An empty store."""
        raise NotImplementedError

    @pytest.fixture
    def damage(self, blobs: ArtifactStore, tmp_path: Path) -> Callable[[str, bytes | None], None]:
        """Replaces the bytes of a blob, or removes it, behind the store's back."""
        raise NotImplementedError

    def test_bytes_come_back_under_their_digest(self, blobs: ArtifactStore) -> None:
        content = blobs.put(b"hello")
        assert content == Content(digest=digest_bytes(b"hello"), size_bytes=5, kind=ContentKind.FILE)
        with blobs.open(content.digest) as reader:
            assert reader.read() == b"hello"
        assert blobs.has(content.digest)
        assert not blobs.has(ABSENT)

    def test_a_file_is_moved_in(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        path = tmp_path / "file"
        path.write_bytes(b"rows")
        content = blobs.ingest(path)
        assert content.digest == digest_bytes(b"rows")
        assert not path.exists()

    def test_the_same_bytes_are_stored_once_under_one_digest(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).write_bytes(b"same")
        assert blobs.ingest(tmp_path / "one") == blobs.ingest(tmp_path / "two")

    def test_a_copy_is_private(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        content = blobs.put(b"original")
        target = tmp_path / "copy"
        blobs.materialize(content, target)
        with target.open("r+b") as file:
            file.write(b"SPOILED!")
        blobs.verify(content)

    def test_a_folder_keeps_its_shape(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        root = tmp_path / "tree"
        (root / "deep" / "empty").mkdir(parents=True)
        (root / "deep" / "é.txt").write_text("text")
        (root / "run.sh").write_text("#!/bin/sh\n")
        (root / "run.sh").chmod(0o755)
        (root / "link").symlink_to("deep/é.txt")
        content = blobs.ingest(root)
        assert content.kind is ContentKind.TREE
        assert content.size_bytes == 4 + 10
        assert not root.exists()
        target = tmp_path / "copy"
        blobs.materialize(content, target)
        assert (target / "deep" / "empty").is_dir()
        assert (target / "link").read_text() == "text"
        assert os.readlink(target / "link") == "deep/é.txt"
        assert os.access(target / "run.sh", os.X_OK)
        assert not os.access(target / "deep" / "é.txt", os.X_OK)

    def test_equal_folders_have_equal_digests(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        contents = []
        for order in (["a", "b"], ["b", "a"]):
            root = tmp_path / "-".join(order)
            root.mkdir()
            for name in order:
                (root / name).write_text(name)
            contents.append(blobs.ingest(root))
        assert contents[0] == contents[1]

    @pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "deep/../../outside"])
    def test_a_link_that_points_outwards_is_refused(self, blobs: ArtifactStore, tmp_path: Path, target: str) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        (root / "link").symlink_to(target)
        with pytest.raises(InvalidInput, match="points outside"):
            blobs.ingest(root)

    def test_a_socket_is_refused(self, blobs: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        monkeypatch.chdir(root)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("s")
            with pytest.raises(InvalidInput, match="socket"):
                blobs.ingest(root)

    def test_what_is_not_there_is_not_found(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        with pytest.raises(NotFound):
            blobs.open(ABSENT)
        with pytest.raises(CorruptArtifact, match="missing"):
            blobs.materialize(Content(digest=ABSENT, size_bytes=1, kind=ContentKind.FILE), tmp_path / "copy")

    @pytest.mark.parametrize("digest", ["", "sha256:..", "sha256:" + "g" * 64, "md5:" + "0" * 64, "../../etc/passwd"])
    def test_only_digests_are_taken(self, blobs: ArtifactStore, digest: str) -> None:
        with pytest.raises(InvalidInput):
            blobs.has(digest)

    @pytest.mark.parametrize("bad", [b"", b"origina", b"Original", b"original!", None])
    def test_damage_is_found_before_the_bytes_are_used(
        self, blobs: ArtifactStore, tmp_path: Path, damage: Callable[[str, bytes | None], None], bad: bytes | None
    ) -> None:
        content = blobs.put(b"original")
        damage(content.digest, bad)
        with pytest.raises(CorruptArtifact) as caught:
            blobs.verify(content)
        assert content.digest in str(caught.value)
        with pytest.raises(CorruptArtifact):
            blobs.materialize(content, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    def test_damage_to_a_file_of_a_folder_leaves_no_half_a_copy(
        self, blobs: ArtifactStore, tmp_path: Path, damage: Callable[[str, bytes | None], None]
    ) -> None:
        root = tmp_path / "tree"
        root.mkdir()
        for name in ("a", "b"):
            (root / name).write_text(name)
        content = blobs.ingest(root)
        damage(digest_bytes(b"b"), b"c")
        with pytest.raises(CorruptArtifact):
            blobs.materialize(content, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    def test_storing_the_bytes_again_heals_a_damaged_blob(
        self, blobs: ArtifactStore, damage: Callable[[str, bytes | None], None]
    ) -> None:
        content = blobs.put(b"original")
        damage(content.digest, b"bad")
        blobs.put(b"original")
        blobs.verify(content)


class TestMemoryStore(StoreContract):
    """The fake."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> ArtifactStore:
        return MemoryStore()

    @pytest.fixture
    def damage(self, blobs: ArtifactStore, tmp_path: Path) -> Callable[[str, bytes | None], None]:
        assert isinstance(blobs, MemoryStore)

        def change(digest: str, data: bytes | None) -> None:
            del blobs.blobs[digest]
            if data is not None:
                blobs.blobs[digest] = data

        return change


class TestFolderStore(StoreContract):
    """The folder."""

    @pytest.fixture
    def blobs(self, tmp_path: Path) -> ArtifactStore:
        return FolderStore(tmp_path / "blobs")

    @pytest.fixture
    def damage(self, blobs: ArtifactStore, tmp_path: Path) -> Callable[[str, bytes | None], None]:
        def change(digest: str, data: bytes | None) -> None:
            path = tmp_path / "blobs" / digest[7:9] / digest[9:]
            path.unlink()
            if data is not None:
                path.write_bytes(data)

        return change

    def test_a_file_with_a_second_name_is_copied_so_that_the_other_cannot_write_to_the_blob(
        self, blobs: ArtifactStore, tmp_path: Path
    ) -> None:
        (tmp_path / "one").write_bytes(b"rows")
        os.link(tmp_path / "one", tmp_path / "two")
        content = blobs.ingest(tmp_path / "one")
        (tmp_path / "two").write_bytes(b"spoiled")
        blobs.verify(content)

    def test_blobs_are_read_only_and_nothing_is_left_beside_them(self, blobs: ArtifactStore, tmp_path: Path) -> None:
        content = blobs.put(b"rows")
        path = tmp_path / "blobs" / content.digest[7:9] / content.digest[9:]
        assert path.stat().st_mode & 0o777 == 0o444
        assert list((tmp_path / "blobs" / "incoming").iterdir()) == []

    @settings(max_examples=25, deadline=None)
    @given(files=st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=40), max_size=5))
    def test_any_folder_comes_back_as_it_was(
        self, tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
    ) -> None:
        base = tmp_path_factory.mktemp("any")
        root = base / "tree"
        root.mkdir()
        for name, data in files.items():
            (root / name).write_bytes(data)
        blobs = FolderStore(base / "blobs")
        blobs.materialize(blobs.ingest(root), base / "copy")
        assert {path.name: path.read_bytes() for path in (base / "copy").iterdir()} == files

"""Locks resolved by the real uv."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.base.site import Site
from tidemill.locks import Requirements, lock


def test_a_lock_has_versions_and_hashes_and_no_addresses(site: Site, wheels: Path) -> None:
    locked = lock(site, Requirements(lines=("user",)))
    assert locked.packages == {"tiny": "1.0", "user": "1.0"}
    assert locked.text.count("--hash=sha256:") == 2
    assert "://" not in locked.text
    assert str(wheels) not in locked.text


def test_the_same_requirements_give_the_same_lock_though_the_index_has_gone(site: Site, wheels: Path) -> None:
    first = lock(site, Requirements(lines=("user", "tiny")))
    shutil.rmtree(wheels)
    again = lock(site, Requirements(lines=("tiny", "user")))
    assert again.digest == first.digest
    assert again.text == first.text


def test_what_is_asked_for_alone_comes_without_its_dependencies(site: Site, wheels: Path) -> None:
    assert lock(site, Requirements(without_dependencies=("user",))).packages == {"user": "1.0"}
    both = lock(site, Requirements(lines=("tiny",), without_dependencies=("user", "tiny")))
    assert both.packages == {"tiny": "2.0", "user": "1.0"}


def test_no_requirements_are_an_empty_lock(site: Site, wheels: Path) -> None:
    assert lock(site, Requirements()).text == ""


def test_the_digest_tells_python_versions_apart(site: Site, wheels: Path) -> None:
    assert lock(site, Requirements(python="3.12")).digest != lock(site, Requirements(python="3.11")).digest


def test_a_requirement_that_cannot_be_had_is_named_with_a_remedy(site: Site, wheels: Path) -> None:
    with pytest.raises(InvalidInput, match=r"requirement tiny==9: cannot be installed") as caught:
        lock(site, Requirements(lines=("user", "tiny==9")))
    assert caught.value.remedy is not None
    with pytest.raises(InvalidInput, match="requirement no-such-thing: cannot be installed"):
        lock(site, Requirements(lines=("no-such-thing",)))


def test_requirements_that_contradict_each_other_are_both_named(site: Site, wheels: Path) -> None:
    with pytest.raises(InvalidInput, match="requirement tiny>=2, user: cannot be installed"):
        lock(site, Requirements(lines=("user", "tiny>=2")))


def test_a_broken_folder_of_links_does_not_fail_the_lock(
    site: Site, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", f"/no/such/folder {wheels}")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///no/such/simple")
    assert lock(site, Requirements(lines=("tiny",))).packages == {"tiny": "2.0"}


def test_a_python_that_is_not_here_is_a_clear_error(site: Site, wheels: Path) -> None:
    with pytest.raises(InvalidInput, match=r"there is no Python 3\.99 on this machine"):
        lock(site, Requirements(lines=("tiny",), python="3.99"))


def test_a_lock_file_cut_off_by_a_power_loss_is_resolved_again(site: Site, wheels: Path) -> None:
    first = lock(site, Requirements(lines=("tiny",)))
    (kept,) = (site.home.path / "locks").iterdir()
    kept.write_bytes(kept.read_bytes()[:20])
    assert lock(site, Requirements(lines=("tiny",))) == first
    assert lock(site, Requirements(lines=("tiny",))) == first

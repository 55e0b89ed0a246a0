"""Loading model packages: digests first, safe formats, nothing falls back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import make_package

from tidemill_runtime.model_package import PackageError, file_digest, load_package


def edit(folder: Path, **changes: object) -> None:
    """Change keys of `model.json`."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_package_predicts_columns_by_name_in_any_order(tmp_path: Path) -> None:
    model = load_package(make_package(tmp_path / "p", Linear(2)), allow_pickle=True)
    assert model.predict({"year": [82, 70], "wght": [1.5, 2.5]}) == [167.0, 145.0]


def test_a_pickle_is_loaded_only_when_the_caller_vouches_for_it(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="can run code"):
        load_package(make_package(tmp_path / "p", Linear()))


def test_a_model_file_with_another_digest_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "p", Linear())
    (folder / "model.pickle").write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(PackageError, match="has the digest"):
        load_package(folder, allow_pickle=True)


def test_a_description_with_another_digest_than_the_caller_names_is_refused(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "p", Linear())
    digest = file_digest(folder / "model.json")
    load_package(folder, allow_pickle=True, expected_digest=digest)
    edit(folder, name="other")
    with pytest.raises(PackageError, match="expected"):
        load_package(folder, allow_pickle=True, expected_digest=digest)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "", ".."])
def test_a_file_outside_the_package_is_refused(tmp_path: Path, name: str) -> None:
    folder = make_package(tmp_path / "p", Linear())
    edit(folder, file={"path": name, "format": "pickle", "digest": "sha256:0", "trusted_types": []})
    with pytest.raises(PackageError, match="not a plain file"):
        load_package(folder, allow_pickle=True)


def test_a_link_is_refused_as_a_model_file(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "p", Linear())
    (folder / "model.pickle").rename(tmp_path / "elsewhere")
    (folder / "model.pickle").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PackageError, match="not a plain file"):
        load_package(folder, allow_pickle=True)


def test_an_unknown_format_falls_back_to_nothing(tmp_path: Path) -> None:
    folder = make_package(tmp_path / "p", Linear())
    digest = file_digest(folder / "model.pickle")
    edit(folder, file={"path": "model.pickle", "format": "magic", "digest": digest})
    with pytest.raises(PackageError, match="unknown format"):
        load_package(folder, allow_pickle=True)


@pytest.mark.parametrize(
    "change",
    [{"schema_version": 2}, {"input_kind": "list"}, {"signature": {"inputs": [], "outputs": []}}, {"file": "x"}],
)
def test_a_description_that_is_none_is_refused_with_its_place(tmp_path: Path, change: dict[str, object]) -> None:
    folder = make_package(tmp_path / "p", Linear())
    edit(folder, **change)
    with pytest.raises(PackageError, match=r"model\.json: is not the description of a model"):
        load_package(folder, allow_pickle=True)

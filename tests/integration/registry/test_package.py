"""Packaging real scikit-learn models in their own venv, and smoke-testing the packages."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.integration.registry.conftest import Trained

from tidemill.base.canonical import digest_bytes
from tidemill.locks import Lock, Venv, run_module
from tidemill.registry.package_content import lock_document


def package(venv: Venv, request: dict[str, Any]) -> dict[str, Any]:
    """The reply of the packaging process."""
    log = Path(request["output"]).parent / "log"
    return run_module(venv, "tidemill_runtime.package", request, timeout_seconds=120, log=log)


def smoke(venv: Venv, folder: str, *, allow_pickle: bool = True) -> dict[str, Any]:
    """The reply of the smoke test."""
    request = {"schema_version": 1, "package": folder, "relative_tolerance": 1e-6, "allow_pickle": allow_pickle}
    return run_module(venv, "tidemill_runtime.smoke", request, timeout_seconds=120, log=Path(folder).parent / "log")


def test_a_pipeline_of_mixed_columns_is_packaged_safely_and_answers_as_recorded(
    sklearn_venv: Venv, trained: Trained
) -> None:
    request = trained("mixed")
    model = package(sklearn_venv, request)["model"]
    assert model["file"]["format"] == "skops"
    assert [(item["name"], item["datatype"], item["shape"]) for item in model["signature"]["inputs"]] == [
        ("weight", "FP64", [-1, 1]),
        ("year", "INT64", [-1, 1]),
        ("origin", "BYTES", [-1, 1]),
    ]
    assert model["signature"]["outputs"] == [{"name": "predict", "datatype": "FP64", "shape": [-1]}]
    assert len(model["sample"]["outputs"]) == len(model["sample"]["inputs"]["year"]) == 20
    profile = model["reference_profile"]
    assert profile["rows"] == 200
    assert sum(profile["inputs"]["weight"]["counts"]) == 200
    assert set(profile["inputs"]["origin"]["counts"]) == {"usa", "japan"}
    assert sum(profile["outputs"]["predict"]["counts"]) == 200
    reply = smoke(sklearn_venv, request["output"], allow_pickle=False)
    assert (reply["faults"], reply["rows"]) == ([], 20)
    assert 0 < reply["latency_ms_p50"] < 1000
    assert 10 < reply["peak_memory_mb"] < 4000


@pytest.mark.parametrize(("kind", "columns"), [("array", ["x0", "x1"]), ("classes", ["weight", "year"])])
def test_arrays_and_classes_are_packaged_too(
    sklearn_venv: Venv, trained: Trained, kind: str, columns: list[str]
) -> None:
    request = trained(kind)
    model = package(sklearn_venv, request)["model"]
    assert model["columns"] == columns
    assert model["signature"]["outputs"][0]["datatype"] == ("BYTES" if kind == "classes" else "FP64")
    assert smoke(sklearn_venv, request["output"], allow_pickle=False)["faults"] == []


def test_the_sample_is_narrowed_to_what_the_model_was_fitted_on(sklearn_venv: Venv, trained: Trained) -> None:
    request = trained("wide")
    assert package(sklearn_venv, request)["model"]["columns"] == ["weight", "year"]
    assert smoke(sklearn_venv, request["output"])["faults"] == []


def test_a_model_that_skops_cannot_hold_safely_is_a_pickle_that_must_be_vouched_for(
    sklearn_venv: Venv, trained: Trained
) -> None:
    request = trained("unknown-type")
    assert package(sklearn_venv, request)["model"]["file"]["format"] in ("joblib", "pickle")
    assert smoke(sklearn_venv, request["output"])["faults"] == []
    refused = smoke(sklearn_venv, request["output"], allow_pickle=False)["faults"]
    assert len(refused) == 1
    assert "can run code" in refused[0]


@pytest.mark.parametrize(
    ("kind", "message"),
    [("no-predict", "has no predict"), ("no-table", "not a table"), ("missing-column", "lacks the columns year")],
)
def test_what_is_no_model_or_no_sample_is_named(sklearn_venv: Venv, trained: Trained, kind: str, message: str) -> None:
    reply = package(sklearn_venv, trained(kind))
    assert message in reply["error"]
    assert reply["place"] in ("train.model", "features.X")


def damage_file(folder: Path) -> None:
    """One byte of the model file is another."""
    path = folder / "model.skops"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def damage_file_with_its_digest(folder: Path) -> None:
    """The model file is damaged, and model.json names the digest of the damage."""
    damage_file(folder)
    edit(folder, lambda model: model["file"].update(digest=digest_bytes((folder / "model.skops").read_bytes())))


def replace_by_pickle(folder: Path) -> None:
    """A pickle stands where skops is declared."""
    data = b"cos\nsystem\n(S'touch pwned'\ntR."
    (folder / "model.skops").write_bytes(data)
    edit(folder, lambda model: model["file"].update(digest=digest_bytes(data)))


def change_answer(folder: Path) -> None:
    """One recorded answer is another."""
    edit(folder, lambda model: model["sample"]["outputs"].__setitem__(3, 99.0))


def drop_sample(folder: Path) -> None:
    """There is no sample."""
    edit(folder, lambda model: model.pop("sample"))


def drop_column(folder: Path) -> None:
    """A column of the sample is missing."""
    edit(folder, lambda model: model["sample"]["inputs"].pop("x1"))


def text_for_a_number(folder: Path) -> None:
    """The sample holds text where numbers belong."""
    edit(folder, lambda model: model["sample"]["inputs"].update(x1=["a"] * 20))


def lead_outside(folder: Path) -> None:
    """model.json names a file outside the package."""
    edit(folder, lambda model: model["file"].update(path="../model"))


def unlink_file(folder: Path) -> None:
    """The model file is missing."""
    (folder / "model.skops").unlink()


def edit(folder: Path, change: Any) -> None:
    """Change model.json."""
    path = folder / "model.json"
    model = json.loads(path.read_bytes())
    change(model)
    path.write_text(json.dumps(model))


DAMAGES = {
    damage.__name__: damage
    for damage in (
        damage_file,
        damage_file_with_its_digest,
        replace_by_pickle,
        change_answer,
        drop_sample,
        drop_column,
        text_for_a_number,
        lead_outside,
        unlink_file,
    )
}

SMOKE_ALL = """
import json, sys
from pathlib import Path
from tidemill_runtime.smoke import smoke_test
folders = sorted(Path(sys.argv[1]).iterdir())
found = {f.name: smoke_test(f, relative_tolerance=1e-6, allow_pickle=True)["faults"] for f in folders}
print(json.dumps(found))
"""


@pytest.fixture(scope="package")
def faults(
    sklearn_venv: Venv, models: Path, sklearn_lock: Lock, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What the smoke test finds in a whole package and in one of each damage."""
    folder = tmp_path_factory.mktemp("damaged")
    request = {
        "name": "fuel",
        "model": {"name": "m", "path": str(models / "array" / "model"), "made_here": True},
        "sample": {"name": "s", "path": str(models / "array" / "sample"), "made_here": True},
        "lock": lock_document(sklearn_lock),
        "output": str(folder / "whole"),
    }
    package(sklearn_venv, request)
    for name, damage in DAMAGES.items():
        shutil.copytree(folder / "whole", folder / name)
        damage(folder / name)
    done = subprocess.run(
        [sklearn_venv.python, "-c", SMOKE_ALL, folder],
        env={"PYTHONPATH": str(sklearn_venv.runtime)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert not list(folder.rglob("pwned"))
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_whole_package_passes_the_smoke_test(faults: dict[str, list[str]]) -> None:
    assert faults["whole"] == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_package_fails_the_smoke_test_and_never_falls_back(faults: dict[str, list[str]], damage: str) -> None:
    assert faults[damage] != []


@pytest.mark.parametrize("role", ["model", "sample"])
def test_a_pickle_that_no_step_here_made_is_not_read(
    sklearn_venv: Venv, trained: Trained, tmp_path: Path, role: str
) -> None:
    request, mark = trained("array"), tmp_path / "foreign-code-ran"
    pickled = tmp_path / "foreign"
    pickled.write_bytes(b"cbuiltins\nopen\n(V" + str(mark).encode() + b"\nVw\ntR.")  # a pickle that opens a file
    request[role] = {"name": "import.it", "path": str(pickled), "metadata": {"codec": "cloudpickle"}}
    reply = package(sklearn_venv, request)
    assert "brought in from elsewhere" in reply["error"]
    assert reply["place"] == "import.it"
    assert not mark.exists()
    package(sklearn_venv, request | {role: request[role] | {"made_here": True}})
    assert mark.exists(), "the pickle does nothing, so the test shows nothing"

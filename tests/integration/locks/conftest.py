"""A package index of three tiny wheels in a folder, so that uv works for real and without a network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

MakeWheel = Callable[..., Path]


@pytest.fixture
def make_wheel(tmp_path: Path) -> MakeWheel:
    """Write a wheel of one module into the folder of links."""

    def make(name: str, version: str, *, requires: str | None = None, body: str = "") -> Path:
        folder = tmp_path / "wheels"
        folder.mkdir(exist_ok=True)
        info = f"{name}-{version}.dist-info"
        needs = "" if requires is None else f"Requires-Dist: {requires}\n"
        files = {
            f"{name}.py": f"VERSION = {version!r}\n{body}\n\ndef main():\n    print('{name}', VERSION)\n",
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/entry_points.txt": f"[console_scripts]\n{name}={name}:main\n",
        }
        record = "".join(f"{path},sha256={_hash(text)},{len(text)}\n" for path, text in files.items())
        path = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for inner, text in files.items():
                wheel.writestr(inner, text)
            wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
        return path

    return make


@pytest.fixture
def wheels(make_wheel: MakeWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of links with `tiny` 1.0 and 2.0 and `user` 1.0, which needs `tiny`; pip's settings name only it."""
    make_wheel("tiny", "1.0")
    make_wheel("tiny", "2.0")
    make_wheel("user", "1.0", requires="tiny<2")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")  # nobody is there: what asks an index fails
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    return tmp_path / "wheels"


def _hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")

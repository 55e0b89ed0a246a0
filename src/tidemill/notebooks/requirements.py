"""What a notebook's steps must have installed: given lines, or its imports as installed here."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterable

from tidemill.notebooks.outline import Outline

MISNAMED = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "pkg_resources": "setuptools",
    "umap": "umap-learn",
    "imblearn": "imbalanced-learn",
    "Crypto": "pycryptodome",
    "OpenSSL": "pyopenssl",
    "serial": "pyserial",
    "docx": "python-docx",
    "git": "gitpython",
    "google.cloud.storage": "google-cloud-storage",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.protobuf": "protobuf",
    "jwt": "pyjwt",
    "fitz": "pymupdf",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "IPython": "ipython",
}
"""Import names of distributions that are called otherwise; only asked when the import is not installed here."""

CODEC_NEEDS = {"pandas": "pyarrow>=14", "scikit-learn": "skops>=0.11"}
ALWAYS = ("cloudpickle>=3",)
_SHARED = frozenset({"google", "azure", "sphinxcontrib"})
_NAME = re.compile(r"[-_.]+")


def needed_by_codecs(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines, and what carrying such values between steps needs that they do not name themselves."""
    given = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    names = {_normal(re.split(r"[\s\[<>=!~;@]", line, maxsplit=1)[0]) for line in given}
    extra = [need for name, need in CODEC_NEEDS.items() if name in names]
    missing = [need for need in (*ALWAYS, *extra) if _normal(re.split("[<>=]", need)[0]) not in names]
    return tuple(sorted((*given, *missing), key=str.lower))


def imported_requirements(outline: Outline, imports: dict[str, tuple[int, int]], local: set[str]) -> tuple[str, ...]:
    """The distributions of what a notebook imports, pinned to the versions installed here.

    `imports` are dotted module names with cell and line, `local` the modules beside the notebook. What is not
    installed goes by the name in `MISNAMED`, else its own, unpinned and with one warning for each distribution.
    """
    lines: dict[str, str] = {}
    for module, (cell, line) in imports.items():
        top = module.partition(".")[0]
        if top in sys.stdlib_module_names or top in local or top in ("__future__", "tidemill_runtime"):
            continue
        name, version = _installed(module)
        if version is None and _normal(name) not in lines:
            outline.advise(
                f"{name} is not installed here, so its version is not pinned and each new lock takes the newest; "
                f"pin it: pip install {name}, or name a version in the requirements of tidemill.toml",
                cell, line,
            )  # fmt: skip
        lines[_normal(name)] = name if version is None else f"{name}=={version}"
    return tuple(lines[name] for name in sorted(lines))


def _installed(module: str) -> tuple[str, str | None]:
    """The distribution of a module and its version; without version when it is not installed."""
    top = module.partition(".")[0]
    known = next((MISNAMED[name] for name in (module, ".".join(module.split(".")[:3]), top) if name in MISNAMED), None)
    for candidate in (known, top):
        if candidate is not None and _provides(candidate, module):
            return _normal(candidate), importlib.metadata.version(candidate)
    # the slow way: every installed distribution is asked what it holds
    owners = importlib.metadata.packages_distributions().get(top, [])
    if len(set(owners)) == 1 and top not in _SHARED:
        return _normal(owners[0]), importlib.metadata.version(owners[0])
    for owner in sorted(set(owners)):
        if _provides(owner, module):
            return _normal(owner), importlib.metadata.version(owner)
    return known or _normal(top), None


def _provides(distribution: str, module: str) -> bool:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    record = found.read_text("RECORD") or ""
    path = module.replace(".", "/")
    top = path.partition("/")[0]
    # many distributions share `google`: only the whole path tells them apart
    places = (path,) if top in _SHARED else (path, top)
    if any(f"{place}{tail}" in record for place in places for tail in ("/__init__.py,", ".py,", ".abi3.so,")):
        return True
    if top in _SHARED:
        return False
    return top in (found.read_text("top_level.txt") or "").split() or f"{top}.cpython" in record


def _normal(name: str) -> str:
    return _NAME.sub("-", name).lower()

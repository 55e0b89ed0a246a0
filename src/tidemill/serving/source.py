"""Where the reconciler learns what shall be live, and gets what a predictor needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tidemill.artifacts import materialize
from tidemill.base.errors import NotFound
from tidemill.base.site import Site
from tidemill.serving.model import Service

PREDICT_EXTRA = "tidemill-runtime[predict]"
MODEL_JSON = "model.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The model version that a service shall answer with; `generation` is the live pointer's, 0 without a gate."""

    model_version_id: str
    label: str
    number: int
    moved_by: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a predictor is started with: its interpreter, the folders it imports from, and the package on disk.

    `late_paths` come after the venv's own packages: what the model was made with wins.
    """

    python: Path
    runtime: Path
    late_paths: tuple[Path, ...]
    package: Path
    model_digest: str
    allow_pickle: bool


class ModelSource(Protocol):
    """What serving needs from below: decisions and packages. Every method may raise the errors of its slice."""

    def wanted(self, service: Service) -> Wanted | None:
        """What the service shall answer with; None while nothing is approved (or named, in development)."""

    def prepare(self, namespace_id: str, model_version_id: str, folder: Path) -> Prepared:
        """Put a checked private copy of the package into `folder` (made anew) and have the venv ready; minutes."""

    def document(self, namespace_id: str, model_version_id: str) -> dict[str, Any]:
        """The version's `model.json`."""


class RegistrySource:
    """The registry of the site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def wanted(self, service: Service) -> Wanted | None:
        from tidemill.gate import verify_live
        from tidemill.registry import live_pointers, version_in

        spec, namespace_id = service.spec, service.namespace_id
        # rows and signatures are proven again before anything loads: what was changed behind the gate gets no traffic
        proven = verify_live(self._site, namespace_id, environment=spec.environment, service=spec.name)
        for pointer in live_pointers(self._site, namespace_id):
            if (pointer.environment, pointer.service) == (spec.environment, spec.name):
                if proven is None or proven.model_version_id != pointer.model_version_id:
                    return None  # moved since it was proven: the next look proves the new place
                version = version_in(self._site, namespace_id, pointer.model_version_id)
                return Wanted(
                    model_version_id=version.id,
                    label=version.label,
                    number=version.number,
                    moved_by=pointer.moved_by,
                    generation=pointer.generation,
                )
        if spec.is_gated or not (spec.model_version or spec.model):
            return None
        try:
            version = version_in(self._site, namespace_id, spec.model_version or spec.model)
        except NotFound:
            return None
        return Wanted(
            model_version_id=version.id,
            label=version.label,
            number=version.number,
            moved_by=service.created_by,
            generation=0,
        )

    def prepare(self, namespace_id: str, model_version_id: str, folder: Path) -> Prepared:
        from tidemill.locks import Requirements, combine, ensure_venv, lock
        from tidemill.registry import package_content, version_in, version_venv
        from tidemill_runtime.model_package import file_digest

        version = version_in(self._site, namespace_id, model_version_id)
        venv = version_venv(self._site, version)
        python_version = next((venv.path / "lib").glob("python3.*")).name.removeprefix("python")
        extra = combine(Requirements(python=python_version), [PREDICT_EXTRA])
        server = ensure_venv(self._site, lock(self._site, extra))
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # checked file by file against the digest that was approved
        materialize(self._site, package_content(self._site, version), folder)
        return Prepared(
            python=venv.python,
            runtime=venv.runtime,
            late_paths=(server.path / "lib" / f"python{python_version}" / "site-packages",),
            package=folder,
            model_digest=file_digest(folder / MODEL_JSON),
            # this platform made the package and the tree's digest names it
            allow_pickle=True,
        )

    def document(self, namespace_id: str, model_version_id: str) -> dict[str, Any]:
        from tidemill.registry import package_document, version_in

        version = version_in(self._site, namespace_id, model_version_id)
        return package_document(self._site, version, MODEL_JSON)


def revision_folder(site: Site, revision_id: str) -> Path:
    """Where a revision's package and heartbeat are on disk."""
    return site.home.work / "predictors" / revision_id


def revision_socket(site: Site, revision_id: str) -> Path:
    """Where a revision listens; short, since a socket's path has at most 107 bytes."""
    return site.home.sockets / f"p-{revision_id.replace('-', '')[-16:]}.sock"


def predictor_environment(prepared: Prepared) -> dict[str, str]:
    """The environment of a predictor: nothing of ours leaks in, native libraries take one thread."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "TMPDIR", "HOME") if name in os.environ}
    return {
        "PATH": os.defpath,
        **kept,
        "PYTHONPATH": str(prepared.runtime),
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "MPLBACKEND": "Agg",
        # pyarrow's allocator starts a thread when it is imported, and a process with two threads is never forked
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }

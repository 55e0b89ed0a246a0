"""Where the reconciler learns what shall be live, and gets what a predictor needs."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tidemill.access import Actor, Role
from tidemill.artifacts import Content, ContentKind, blob_store, materialize
from tidemill.base.errors import Forbidden, NotFound, StorageFull, TidemillError, Unavailable
from tidemill.base.site import Site
from tidemill.serving.model import Service

if TYPE_CHECKING:
    from tidemill.gate.moves import SignedMove
    from tidemill.registry import ModelVersion

LOOKS = 3
SYSTEM = "serving"
PREDICT_EXTRA = "tidemill-runtime[predict]"
MODEL_JSON = "model.json"


class NotProven(Forbidden):
    """The gate does not prove what the rows say: somebody changed the database behind its back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A version with the digest of its package as the gate proves it; without a gate as the registry has it."""

    namespace_id: str
    model_version_id: str
    package_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The model version that a service shall answer with; `generation` is the live pointer's, 0 without a gate.

    `by_steps` is True for one that the gate let in: a rollout may lead to it. A move back is done at once.
    """

    version: Proven
    label: str
    moved_by: str
    generation: int
    by_steps: bool = False

    @property
    def model_version_id(self) -> str:
        """The id of the version."""
        return self.version.model_version_id


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
    """What serving needs from below: decisions and packages. Every method may raise the errors of its slice.

    What is loaded, and what its answers are compared with, is the package of a proven digest, never of a row.
    """

    def wanted(self, service: Service) -> Wanted | None:
        """What the service shall answer with; None while nothing is approved (or named, in development).

        Raises `NotProven` when the gate does not prove where the live pointer stands.
        """

    def proven(self, service: Service, model_version_id: str) -> Proven:
        """A version that this service answered with before and may be kept warm for it. Raises `NotProven`."""

    def before(self, service: Service, generation: int) -> Proven | None:
        """What the live pointer named before it got this generation; None when it was new. Raises `NotProven`."""

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        """Move the live pointer back to a version that answers; `Conflict` when it has another generation by now."""

    def prepare(self, version: Proven, folder: Path) -> Prepared:
        """Put a checked private copy of the package into `folder` (made anew) and have the venv ready; minutes."""

    def is_intact(self, version: Proven, folder: Path) -> bool:
        """Whether each file of the package is in `folder` as it was put there."""

    def document(self, version: Proven) -> dict[str, Any]:
        """The `model.json` of the package."""


class RegistrySource:
    """The registry of the site."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def wanted(self, service: Service) -> Wanted | None:
        try:
            for _ in range(LOOKS):
                found, is_settled = self._look(service)
                if is_settled:
                    return found
        except TidemillError as problem:
            raise _not_proven(problem) from problem
        return None

    def proven(self, service: Service, model_version_id: str) -> Proven:
        from tidemill.gate import verify_approval
        from tidemill.registry import version_in

        spec, namespace_id = service.spec, service.namespace_id
        try:
            digest = (
                verify_approval(
                    self._site, namespace_id, model_version_id, environment=spec.environment, service=spec.name
                ).package_digest
                if spec.is_gated
                else version_in(self._site, namespace_id, model_version_id).package_digest
            )
        except TidemillError as problem:
            raise _not_proven(problem) from problem
        return Proven(namespace_id=namespace_id, model_version_id=model_version_id, package_digest=digest)

    def before(self, service: Service, generation: int) -> Proven | None:
        moved = self._moved(service, generation - 1)
        return None if moved is None else self.proven(service, moved.model_version_id)

    def take_back(self, service: Service, model_version_id: str, generation: int) -> None:
        from tidemill.gate import rollback

        actor = Actor(person=SYSTEM, namespace_id=service.namespace_id, roles=frozenset({Role.CONTRIBUTOR}))
        environment = service.spec.environment
        rollback(
            self._site,
            actor,
            environment=environment,
            service=service.name,
            to=model_version_id,
            generation=generation,
        )

    def prepare(self, version: Proven, folder: Path) -> Prepared:
        from tidemill.locks import Requirements, combine, ensure_venv, lock
        from tidemill.registry import package_content, version_venv
        from tidemill_runtime.model_package import file_digest

        found = self._registered(version)
        venv = version_venv(self._site, found)
        python_version = next((venv.path / "lib").glob("python3.*")).name.removeprefix("python")
        extra = combine(Requirements(python=python_version), [PREDICT_EXTRA])
        server = ensure_venv(self._site, lock(self._site, extra))
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # checked file by file against the digest that was approved
        materialize(self._site, package_content(self._site, found), folder)
        return Prepared(
            python=venv.python,
            runtime=venv.runtime,
            late_paths=(server.path / "lib" / f"python{python_version}" / "site-packages",),
            package=folder,
            model_digest=file_digest(folder / MODEL_JSON),
            # this platform made the package and the tree's digest names it
            allow_pickle=True,
        )

    def is_intact(self, version: Proven, folder: Path) -> bool:
        from tidemill_runtime.model_package import file_digest

        tree = Content(digest=version.package_digest, size_bytes=0, kind=ContentKind.TREE)
        try:
            return all(
                file_digest(folder / entry.path) == entry.digest
                for entry in blob_store(self._site).entries(tree)
                if entry.digest
            )
        except OSError:
            return False

    def document(self, version: Proven) -> dict[str, Any]:
        from tidemill.registry import package_document

        return package_document(self._site, self._registered(version), MODEL_JSON)

    def _moved(self, service: Service, generation: int) -> SignedMove | None:
        from tidemill.gate.moves import signed_move

        try:
            return signed_move(
                self._site,
                service.namespace_id,
                environment=service.spec.environment,
                service=service.name,
                generation=generation,
            )
        except TidemillError as problem:
            raise _not_proven(problem) from problem

    def _look(self, service: Service) -> tuple[Wanted | None, bool]:
        """What is wanted; and False when the pointer moved after it was proven, so that it must be looked at again."""
        from tidemill.gate import verify_live
        from tidemill.registry import MoveKind, live_pointers

        spec, namespace_id = service.spec, service.namespace_id
        # rows and signatures are proven again before anything loads: what was changed behind the gate gets no traffic
        found = verify_live(self._site, namespace_id, environment=spec.environment, service=spec.name)
        for pointer in live_pointers(self._site, namespace_id):
            if (pointer.environment, pointer.service) != (spec.environment, spec.name):
                continue
            if found is None or found.model_version_id != pointer.model_version_id:
                return None, False
            version = Proven(
                namespace_id=namespace_id,
                model_version_id=found.model_version_id,
                package_digest=found.package_digest,
            )
            moved = self._moved(service, pointer.generation)
            wanted = Wanted(
                version=version,
                label=found.version_label,
                moved_by=pointer.moved_by,
                generation=pointer.generation,
                by_steps=moved is not None and moved.kind is MoveKind.PROMOTED,
            )
            return wanted, True
        return self._named(service), found is None

    def _named(self, service: Service) -> Wanted | None:
        """The version that the spec names; None in a gated environment."""
        from tidemill.registry import version_in

        spec = service.spec
        if spec.is_gated or not (spec.model_version or spec.model):
            return None
        try:
            found = version_in(self._site, service.namespace_id, spec.model_version or spec.model)
        except NotFound:
            return None
        version = Proven(
            namespace_id=service.namespace_id, model_version_id=found.id, package_digest=found.package_digest
        )
        return Wanted(version=version, label=found.label, moved_by=service.created_by, generation=0)

    def _registered(self, version: Proven) -> ModelVersion:
        """The version's row, but with the proven package: what the row names instead is not looked at."""
        from tidemill.registry import version_in

        row = version_in(self._site, version.namespace_id, version.model_version_id)
        return replace(row, package_digest=version.package_digest)


def _not_proven(problem: TidemillError) -> TidemillError:
    """What it means that a proof ended like this; that there was no room or no answer proves nothing."""
    if isinstance(problem, Unavailable | StorageFull):
        return problem
    return NotProven(problem.message, place=problem.place, remedy=problem.remedy)


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

"""Predictors of proven packages: what runs is started with a digest, and asked which one it was started with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidemill.base.errors import Forbidden, TidemillError, Unavailable
from tidemill.base.site import Site
from tidemill.serving.host.contract import Launch, PredictorHost, PredictorState, PredictorStatus
from tidemill.serving.model import Revision, Service
from tidemill.serving.preload import modules_to_preload
from tidemill.serving.smoke import smoke_test
from tidemill.serving.source import (
    ModelSource,
    Prepared,
    Proven,
    predictor_environment,
    revision_folder,
    revision_socket,
)
from tidemill.serving.unix_http import ask

LOAD_SECONDS = 180.0
POLL_SECONDS = 0.02
ASK_SECONDS = 5.0
NOBODY = (PredictorState.ABSENT, PredictorState.FAILED)


def loaded_package(socket: Path, model_name: str) -> str:
    """The digest of the package that the predictor on `socket` loaded, as itself says; `Unavailable`.

    It was told the digest when it was started, by somebody who had it proven, and loads nothing else ever after.
    """
    answer = ask(socket, "GET", f"/v2/models/{model_name}/config", timeout_seconds=ASK_SECONDS)
    if answer.status != 200:
        raise Unavailable(f"the predictor answers {answer.status} to the question for its package", place=str(socket))
    try:
        return str(json.loads(answer.body)["parameters"]["package_digest"]["string_value"])
    except (ValueError, KeyError, TypeError):
        return ""


class DidNotLoad(Unavailable):
    """A predictor ended, or took too long, before it was ever ready."""


class ProvenPredictors:
    """A host's predictors by revision; knows which package each has loaded, by having asked it once."""

    def __init__(
        self,
        site: Site,
        source: ModelSource,
        host: PredictorHost,
        *,
        log_socket: Path | None = None,
        smoke: Callable[[Path, str, dict[str, Any]], None] = smoke_test,
        loaded: Callable[[Path, str], str] = loaded_package,
    ) -> None:
        self._site = site
        self._source = source
        self._host = host
        self._log_socket = log_socket
        self._smoke = smoke
        self._ask = loaded
        self._loaded: dict[str, str] = {}

    def status(self, revision_id: str) -> PredictorStatus:
        """What the host knows."""
        return self._host.status(revision_id)

    def revisions(self) -> list[str]:
        """The revisions that have a predictor."""
        return self._host.revisions()

    def stop(self, revision_id: str) -> None:
        """Drain and end a predictor."""
        self._loaded.pop(revision_id, None)
        self._host.stop(revision_id)

    def holds(self, service: Service, revision: Revision, version: Proven) -> bool:
        """Whether a predictor is ready, and what it loaded is this package. Raises `Unavailable`."""
        if self._host.status(revision.id).state is not PredictorState.READY:
            return False
        return self._package(service, revision) == version.package_digest

    def may_answer(self, service: Service, revision: Revision, version: Proven) -> bool:
        """Whether nothing but this package can answer on the revision's socket, now or soon."""
        if self._host.status(revision.id).state in NOBODY:
            return True
        try:
            return self._package(service, revision) == version.package_digest
        except Unavailable:
            return False

    def is_damaged(self, revision: Revision, version: Proven) -> bool:
        """Whether the files that a predictor is started from are no more what the package holds."""
        return not self._source.is_intact(version, self._folder(revision))

    def start(self, service: Service, revision: Revision, version: Proven) -> None:
        """Have a predictor of this package ready, whose answers are those that were recorded in it.

        One that loaded something else, or has to be unpacked anew, is stopped first. Raises `Forbidden` when what
        answers is another package all the same.
        """
        if not self._may_go_on(service, revision, version):
            self.stop(revision.id)
        prepared = self._source.prepare(version, self._folder(revision))
        document = self._source.document(version)
        launch = self._launch(service, revision, version, prepared, modules_to_preload(document))
        self._host.start(launch)
        self._wait_ready(revision)
        if not self.holds(service, revision, version):
            raise Forbidden(
                "the predictor loaded another package than the one that was proven",
                place=f"revision {revision.number}",
                remedy="it gets no traffic and is started anew",
            )
        self._smoke(launch.socket, service.name, document)

    def _may_go_on(self, service: Service, revision: Revision, version: Proven) -> bool:
        if self._host.status(revision.id).state in NOBODY:
            return True
        try:
            return self.holds(service, revision, version)
        except Unavailable:
            return False

    def _package(self, service: Service, revision: Revision) -> str:
        known = self._loaded.get(revision.id)
        if known is None:
            socket = revision_socket(self._site, revision.id)
            known = self._loaded[revision.id] = self._ask(socket, service.name)
        return known

    def _folder(self, revision: Revision) -> Path:
        return revision_folder(self._site, revision.id) / "package"

    def _launch(
        self, service: Service, revision: Revision, version: Proven, prepared: Prepared, preload: tuple[str, ...]
    ) -> Launch:
        argument = {
            "package": str(prepared.package),
            "model_name": service.name,
            "model_digest": prepared.model_digest,
            "package_digest": version.package_digest,
            "allow_pickle": prepared.allow_pickle,
            "version": str(revision.number),
            "late_paths": [str(path) for path in prepared.late_paths],
            "log_socket": None if self._log_socket is None else str(self._log_socket),
            "source": {
                "namespace_id": service.namespace_id,
                "namespace": service.namespace,
                "service": service.name,
                "service_id": service.id,
                "revision_id": revision.id,
                "revision": str(revision.number),
                "model_version_id": version.model_version_id,
            },
        }
        return Launch(
            revision_id=revision.id,
            socket=revision_socket(self._site, revision.id),
            python=prepared.python,
            runtime=prepared.runtime,
            environment=predictor_environment(prepared),
            argument=argument,
            heartbeat=revision_folder(self._site, revision.id) / "heartbeat",
            log=self._site.home.logs / "predictors" / f"{service.name}-{revision.number}-{revision.id}.log",
            preload=preload,
        )

    def _wait_ready(self, revision: Revision) -> None:
        deadline = self._site.clock.monotonic_seconds() + LOAD_SECONDS
        while True:
            status = self._host.status(revision.id)
            if status.state is PredictorState.READY:
                return
            if status.state in NOBODY:
                raise DidNotLoad(f"the predictor did not start: {status.message}", remedy="see its log")
            if self._site.clock.monotonic_seconds() > deadline:
                raise DidNotLoad(f"the predictor was not ready after {LOAD_SECONDS:g} s", remedy="see its log")
            time.sleep(POLL_SECONDS)


def restarting(status: PredictorStatus) -> str:
    """What to tell of a predictor that is being restarted: how it ended, and the last line that it wrote."""
    lines = [line.strip() for line in status.message.splitlines() if line.strip()]
    told = "; ".join(dict.fromkeys((lines[0], lines[-1]))) if lines else ""
    return f"the predictor is being restarted{': ' if told else ''}{told[:500]}"


def reason_of(problem: TidemillError) -> str:
    """A problem on one line, without what to do about it."""
    return f"{problem.place}: {problem.message}" if problem.place else problem.message

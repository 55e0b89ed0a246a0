"""Every predictor host keeps the same promises."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.predict.running import environment, until
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import make_package
from tests.unit.serving.memory_host import MemoryHost

from tidemill.serving.host import Launch, PredictorHost, PredictorState, ProcessHost


class HostContract:
    """What `PredictorHost` says, as tests; a subclass gives the host."""

    def launch(self, folder: Path, *, package: Path | None = None) -> Launch:
        """A launch of a new revision."""
        package = package or make_package(folder / "package", Linear())
        return Launch(
            revision_id=str(uuid.uuid4()),
            socket=folder / "s",
            python=Path(sys.executable),
            environment=environment(),
            argument={"package": str(package), "model_name": "car", "allow_pickle": True},
            heartbeat=folder / "heartbeat",
            log=folder / "log",
        )

    def test_a_predictor_gets_ready_and_is_gone_after_it_was_stopped(self, host: PredictorHost, tmp_path: Path) -> None:
        launch = self.launch(tmp_path)
        assert host.status(launch.revision_id).state is PredictorState.ABSENT
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)
        assert host.revisions() == [launch.revision_id]
        host.stop(launch.revision_id)
        assert host.status(launch.revision_id).state is PredictorState.ABSENT
        assert host.revisions() == []
        assert not launch.socket.exists()

    def test_starting_what_runs_changes_nothing(self, host: PredictorHost, tmp_path: Path) -> None:
        launch = self.launch(tmp_path)
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)
        before = host.status(launch.revision_id)
        host.start(launch)
        assert host.status(launch.revision_id) == before

    def test_stopping_what_is_not_there_does_nothing(self, host: PredictorHost) -> None:
        host.stop("nobody")
        assert host.revisions() == []

    def test_closing_stops_everything(self, host: PredictorHost, tmp_path: Path) -> None:
        host.start(self.launch(tmp_path))
        host.close()
        assert host.revisions() == []


class TestMemoryHost(HostContract):
    @pytest.fixture
    def host(self) -> PredictorHost:
        return MemoryHost()


class TestProcessHost(HostContract):
    @pytest.fixture
    def host(self) -> Iterator[PredictorHost]:
        made = ProcessHost()
        yield made
        made.close()

    def test_a_package_that_does_not_load_fails_with_the_reason_and_can_be_started_again(
        self, host: PredictorHost, tmp_path: Path
    ) -> None:
        package = make_package(tmp_path / "p", Linear())
        text = (package / "model.json").read_text()
        (package / "model.json").write_text(json.dumps({**json.loads(text), "schema_version": 99}))
        launch = self.launch(tmp_path, package=package)
        host.start(launch)
        failed = until(lambda: _if_failed(host, launch.revision_id))
        assert "schema_version 99" in failed.message
        (package / "model.json").write_text(text)
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)


def _if_failed(host: PredictorHost, revision_id: str) -> object:
    status = host.status(revision_id)
    return status if status.state is PredictorState.FAILED else None

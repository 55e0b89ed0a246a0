"""Every predictor host keeps the same promises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.predict.running import until
from tests.integration.serving.launches import launch_of
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import make_package
from tests.unit.serving.memory_host import MemoryHost

from tidemill.serving.host import Forker, PredictorHost, PredictorState, ProcessHost


class HostContract:
    """What `PredictorHost` says, as tests; a subclass gives the host."""

    def test_a_predictor_gets_ready_and_is_gone_after_it_was_stopped(self, host: PredictorHost, tmp_path: Path) -> None:
        launch = launch_of(tmp_path)
        assert host.status(launch.revision_id).state is PredictorState.ABSENT
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)
        assert host.revisions() == [launch.revision_id]
        host.stop(launch.revision_id)
        assert host.status(launch.revision_id).state is PredictorState.ABSENT
        assert host.revisions() == []
        assert not launch.socket.exists()

    def test_starting_what_runs_changes_nothing(self, host: PredictorHost, tmp_path: Path) -> None:
        launch = launch_of(tmp_path)
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)
        before = host.status(launch.revision_id)
        host.start(launch)
        assert host.status(launch.revision_id) == before

    def test_stopping_what_is_not_there_does_nothing(self, host: PredictorHost) -> None:
        host.stop("nobody")
        assert host.revisions() == []

    def test_closing_stops_everything(self, host: PredictorHost, tmp_path: Path) -> None:
        host.start(launch_of(tmp_path))
        host.close()
        assert host.revisions() == []


class TestMemoryHost(HostContract):
    @pytest.fixture
    def host(self) -> PredictorHost:
        return MemoryHost()


class ProcessContract(HostContract):
    """What holds besides where predictors are processes."""

    def test_a_package_that_does_not_load_fails_with_the_reason_and_can_be_started_again(
        self, host: PredictorHost, tmp_path: Path
    ) -> None:
        package = make_package(tmp_path / "p", Linear())
        text = (package / "model.json").read_text()
        (package / "model.json").write_text(json.dumps({**json.loads(text), "schema_version": 99}))
        launch = launch_of(tmp_path, package=package)
        host.start(launch)
        failed = until(lambda: _if_failed(host, launch.revision_id))
        assert "schema_version 99" in failed.message
        (package / "model.json").write_text(text)
        host.start(launch)
        until(lambda: host.status(launch.revision_id).state is PredictorState.READY)


class TestSpawningHost(ProcessContract):
    @pytest.fixture
    def host(self) -> Iterator[PredictorHost]:
        made = ProcessHost()
        yield made
        made.close()


class TestForkingHost(ProcessContract):
    @pytest.fixture
    def host(self, tmp_path: Path) -> Iterator[PredictorHost]:
        made = ProcessHost(Forker(tmp_path / "zygotes.log"))
        yield made
        made.close()


def _if_failed(host: PredictorHost, revision_id: str) -> object:
    status = host.status(revision_id)
    return status if status.state is PredictorState.FAILED else None

"""`tidemill tune` of a tuning that is there already: found by the end of its id, stopped, then not gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.base.errors import NotFound, RunFailed
from tidemill.cli.app import build
from tidemill.engine.testing import Step, pipeline_of
from tidemill.platform import Platform
from tidemill.tuning import Direction, Tuning, TuningRequest, TuningState, get_tuning, parse_space, start_tuning

TUNING = TuningRequest(
    pipeline=pipeline_of(Step(name="only", inputs={"x": "$x"}), parameters={"x": float}),
    space=parse_space({"x": {"type": "float", "low": 0.0, "high": 1.0}}),
    objective="only.loss",
    direction=Direction.MINIMIZE,
    trials=2,
)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """The platform of the home that the commands find, too."""
    made = Platform(home=tmp_path / "home")
    yield made
    made.site.database.close()


@pytest.fixture
def tuning(platform: Platform) -> Tuning:
    """A tuning that nobody advances."""
    return start_tuning(platform.site, platform.actor, TUNING)


def _tidemill(*words: str) -> None:
    build()(list(words), prog_name="tidemill", standalone_mode=False)


def test_a_tuning_is_stopped_by_the_end_of_its_id(
    platform: Platform, tuning: Tuning, capsys: pytest.CaptureFixture[str]
) -> None:
    _tidemill("tune", "--cancel", tuning.id[-12:])
    assert get_tuning(platform.site, platform.actor, tuning.id).state is TuningState.CANCELLED
    assert f"tuning {tuning.id} is cancelled; 0 of 2 trials have a result" in capsys.readouterr().out
    with pytest.raises(RunFailed, match="was stopped"):
        _tidemill("tune", "--resume", tuning.id[-12:])


def test_a_tuning_that_is_not_there_is_named(tuning: Tuning) -> None:
    with pytest.raises(NotFound, match="no tuning"):
        _tidemill("tune", "--resume", "0000")

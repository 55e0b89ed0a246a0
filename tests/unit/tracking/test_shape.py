"""A run in MLflow's names, lengths and states."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tidemill.artifacts import Artifact, NewArtifact
from tidemill.artifacts.record import prepare_artifact
from tidemill.base.site import Site
from tidemill.engine import Metric, State
from tidemill.tracking import shape
from tidemill.tracking.shape import data_tags_of, logged_params, metrics_of, name_of, params_of, status_of

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


def _metric(name: str, value: float, *, task: str = "train", step: int = 0, provisional: bool = False) -> Metric:
    return Metric(
        run_id="r",
        task_id="t",
        attempt_id="a",
        task=task,
        name=name,
        value=value,
        step=step,
        provisional=provisional,
        recorded_at=NOW + timedelta(seconds=step),
    )


@pytest.mark.parametrize(
    "text", ["loss", "a b/c:d-e.f", "<script>\n'\"", "größe", "потеря", "", ".", "../x", "/a//b/", "x" * 10_000]
)
def test_every_name_becomes_one_that_mlflow_takes(text: str) -> None:
    told = name_of(text)
    assert re.fullmatch(r"[\w\-. :/]{1,250}", told, re.ASCII)
    assert not any(part in ("", ".", "..") for part in told.split("/"))


def test_names_that_are_fine_stay() -> None:
    assert [name_of(text) for text in ("loss", "val/loss 1", "a.b-c:d")] == ["loss", "val/loss 1", "a.b-c:d"]


def test_values_are_text_and_not_too_long_and_the_first_of_two_like_names_stays() -> None:
    told = {
        each["key"]: each["value"] for each in params_of({"a": [1, {"b": "ü"}], "x" * 9: "y" * 9_999, "ä": 1, "ö": 2})
    }
    assert told["a"] == '[1, {"b": "ü"}]'
    assert len(told["x" * 9]) == 6_000
    assert told["_"] == "1"


def test_a_metric_of_two_tasks_is_told_apart_and_what_did_not_win_is_left_out() -> None:
    points = metrics_of(
        [
            _metric("loss", 1.0),
            _metric("loss", 0.5, step=1),
            _metric("loss", 9.0, provisional=True),
            _metric("mae", 1.0, task="a[0]"),
            _metric("mae", 2.0, task="a[1]"),
        ]
    )
    assert [(point["key"], point["value"], point["step"]) for point in points] == [
        ("loss", 1.0, 0),
        ("loss", 0.5, 1),
        ("a_0_/mae", 1.0, 0),
        ("a_1_/mae", 2.0, 0),
    ]
    assert points[1]["timestamp"] - points[0]["timestamp"] == 1000


def test_numbers_that_json_has_not_are_words() -> None:
    values = [point["value"] for point in metrics_of([_metric(str(n), n) for n in (math.nan, math.inf, -math.inf)])]
    assert values == ["NaN", "Infinity", "-Infinity"]


def test_very_many_points_are_thinned_and_the_last_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "MOST_POINTS", 10)
    points = metrics_of([_metric("loss", 1.0, step=step) for step in range(95)])
    assert [point["step"] for point in points] == [*range(0, 94, 10), 94]


def test_each_state_of_a_run_has_a_word_of_mlflows() -> None:
    assert {status_of(state) for state in State} == {"SCHEDULED", "RUNNING", "FINISHED", "FAILED", "KILLED"}
    assert all(status_of(state) not in ("RUNNING", "SCHEDULED") for state in State if state.is_final)


def test_paths_of_data_are_names_of_tags() -> None:
    assert data_tags_of({"data/cars.csv": "md5:1"}) == [{"key": "tidemill.data.data/cars.csv", "value": "md5:1"}]


def test_parameters_that_steps_logged_are_read_from_what_the_engine_kept_and_from_nothing_else(site: Site) -> None:
    def kept(**metadata: Any) -> Artifact:
        new = NewArtifact(name="mlflow", type="system.Artifact", metadata=metadata)
        return prepare_artifact(site, new, namespace_id="n", created_by="alan")

    told = logged_params(
        [kept(params={"alpha": "0.5", "beta": "1"}), kept(params={"alpha": "2"}), kept(params="a"), kept()]
    )
    assert told == {"alpha": "0.5", "beta": "1"}

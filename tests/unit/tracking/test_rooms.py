"""What of MLflow's server is passed on, and what a viewer may ask for."""

from __future__ import annotations

import pytest

from tidemill.tracking.rooms import is_open, only_looks


@pytest.mark.parametrize(
    "path",
    [
        "",
        "static-files/static/js/main.js",
        "version",
        "graphql",
        "api/2.0/mlflow/runs/create",
        "ajax-api/2.0/mlflow/experiments/search",
        "api/2.0/mlflow-artifacts/artifacts",
        "api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/plot <1>.png",
        "api/3.0/mlflow/traces/tr-1/assessments",
        "v1/traces",
    ],
)
def test_tracking_registry_artifacts_and_traces_are_open(path: str) -> None:
    assert is_open(path)


@pytest.mark.parametrize(
    "path",
    [
        "ajax-api/3.0/mlflow/assistant/message",
        "ajax-api/2.0/mlflow/gateway-proxy",
        "ajax-api/3.0/mlflow/gateway/secrets/create",
        "gateway/chat/mlflow/invocations",
        "api/2.0/mlflow/webhooks",
        "api/3.0/mlflow/workspaces",
        "api/3.0/mlflow/jobs/search",
        "api/3.0/mlflow/scorers/register",
        "ajax-api/3.0/mlflow/demo/generate",
        "ajax-api/2.0/mlflow/runs/create-promptlab-run",
        "api/2.0/mlflow-artifacts/artifacts/../../state.db",
        "static-files/../secret",
        "api/2.0/mlflow/runs/../webhooks",
        "api/2.0/mlflow",
        "metrics",
        "x" * 10_000,
        "static-files\n",
    ],
)
def test_what_runs_programs_talks_to_others_or_leaves_its_place_is_closed(path: str) -> None:
    assert not is_open(path)


@pytest.mark.parametrize(
    ("method", "path", "looks"),
    [
        ("GET", "api/2.0/mlflow/runs/get", True),
        ("HEAD", "", True),
        ("POST", "api/2.0/mlflow/runs/search", True),
        ("POST", "ajax-api/3.0/mlflow/traces/search", True),
        ("POST", "graphql", True),
        ("POST", "api/2.0/mlflow/runs/create", False),
        ("POST", "api/2.0/mlflow-artifacts/mpu/create/x/runs/search", False),
        ("POST", "api/2.0/mlflow/runs/search/x", False),
        ("PUT", "api/2.0/mlflow/runs/search", False),
        ("PATCH", "api/2.0/mlflow/model-versions/update", False),
        ("DELETE", "api/2.0/mlflow/registered-models/delete", False),
    ],
)
def test_searches_only_look_and_nothing_else_that_is_posted(method: str, path: str, looks: bool) -> None:
    assert only_looks(method, path) is looks

"""`/api/v1` only grows: what the committed description promises, the app still gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tidemill.platform import Platform
from tidemill.server.app import create_app

PROMISED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The description of the app as it is."""
    platform = Platform(home=tmp_path_factory.mktemp("described") / "home")
    yield create_app(platform).openapi()
    platform.site.database.close()


def _withdrawn(promised: dict[str, Any], described: dict[str, Any]) -> list[str]:
    """Operations, fields of answers, and newly required fields of requests that break a client of the promise."""
    found: list[str] = []
    for path, methods in promised["paths"].items():
        for method in methods:
            if method not in described["paths"].get(path, {}):
                found.append(f"{method.upper()} {path} is gone")
    for name, schema in promised["components"]["schemas"].items():
        now = described["components"]["schemas"].get(name)
        if now is None:
            found.append(f"the schema {name} is gone")
            continue
        gone = set(schema.get("properties", {})) - set(now.get("properties", {}))
        found += [f"{name}.{field} is gone" for field in sorted(gone)]
        if name.endswith(("Body", "Request", "Submission")):
            wanted = set(now.get("required", [])) - set(schema.get("required", []))
            found += [f"{name}.{field} is required now" for field in sorted(wanted)]
    return found


def test_nothing_that_was_promised_has_gone(described: dict[str, Any]) -> None:
    assert _withdrawn(json.loads(PROMISED.read_text()), described) == []


def test_a_withdrawn_route_field_and_a_new_demand_are_seen(described: dict[str, Any]) -> None:
    promised = json.loads(json.dumps(described))
    promised["paths"]["/api/v1/old"] = {"get": {}}
    promised["components"]["schemas"]["RunView"]["properties"]["old"] = {}
    promised["components"]["schemas"]["RunSubmission"]["required"] = []
    assert _withdrawn(promised, described) == [
        "GET /api/v1/old is gone",
        "RunSubmission.spec is required now",
        "RunView.old is gone",
    ]

"""A running stage for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import People
from tests.integration.serving.stage import Stage, open_stage

from tidemill.base.site import Site


@pytest.fixture
def stage(site: Site, people: People, tmp_path: Path) -> Iterator[Stage]:
    with open_stage(site, people, tmp_path) as opened:
        yield opened

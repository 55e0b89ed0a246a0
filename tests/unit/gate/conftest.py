"""Runs of a project on the site of a test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import People
from tests.unit.gate.project_runs import ProjectRuns, project_runs_on

from tidemill.base.site import Site


@pytest.fixture
def runs(site: Site, people: People) -> Iterator[ProjectRuns]:
    """Runs by a worker without processes."""
    with project_runs_on(site, people) as made:
        yield made

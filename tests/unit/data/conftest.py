"""Who asks."""

from __future__ import annotations

import pytest
from tests.conftest import People

from tidemill.access import Actor


@pytest.fixture
def owner(people: People) -> Actor:
    """The owner of the default namespace."""
    return people.owner

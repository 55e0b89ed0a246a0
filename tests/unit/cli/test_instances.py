"""Rows as a person types them."""

from __future__ import annotations

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.cli.service_commands import _instances


def test_a_column_that_stands_twice_is_refused_by_its_name() -> None:
    assert _instances(["wght=1", "year=82"], None) == [{"wght": 1, "year": 82}]
    for given in ((["wght=1", "wght=3000"], None), (None, '{"wght": 1, "wght": 3000}')):
        with pytest.raises(InvalidInput, match="'wght' stands twice") as caught:
            _instances(*given)
        assert caught.value.exit_status == 2

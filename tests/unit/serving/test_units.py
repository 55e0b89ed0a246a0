"""Conversions between people's units and a model's."""

from __future__ import annotations

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.serving.units import CONVERSIONS, check_conversion, conversion


@pytest.mark.parametrize(
    ("unit", "other", "value", "expected"),
    [
        ("kg", "lb", 1000.0, 2204.6226218),
        ("lb", "kg", 2204.6226218, 1000.0),
        ("l/100km", "mpg", 8.0, 29.4018229),
        ("mpg", "l/100km", 29.4018229, 8.0),
        ("°C", "°F", 100.0, 212.0),
        ("°F", "°C", 212.0, 100.0),
        ("kW", "hp", 74.5699871, 100.0),
        ("", "lb", 5.0, 5.0),
        ("furlong", "furlong", 5.0, 5.0),
    ],
)
def test_values_are_turned_from_one_unit_into_the_other(unit: str, other: str, value: float, expected: float) -> None:
    found = conversion(unit, other)
    assert found is not None
    assert found.apply(value) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("pair", CONVERSIONS)
def test_every_conversion_leads_back(pair: tuple[str, str]) -> None:
    there, back = conversion(*pair), conversion(pair[1], pair[0])
    assert there is not None
    assert back is not None
    assert back.apply(there.apply(7.0)) == pytest.approx(7.0)


def test_an_unknown_unit_is_told_with_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="no conversion") as caught:
        check_conversion("kgs", "lb", place="form.wght")
    assert caught.value.place == "form.wght"
    assert "did you mean kg?" in str(caught.value.remedy)

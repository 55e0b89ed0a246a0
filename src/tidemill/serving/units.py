"""Units of a service's page: the few conversions between what people and models use."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from tidemill.base.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """y = factor · x + offset, or, when `inverse`, y = factor / x."""

    factor: float = 1.0
    offset: float = 0.0
    inverse: bool = False

    def apply(self, value: float) -> float:
        """The value in the other unit; raises ZeroDivisionError for an inverse of 0."""
        return self.factor / value if self.inverse else self.factor * value + self.offset


SAME = Conversion()

# exact by definition: pound (1959), inch, US gallon of 231 cubic inches, mile
_KG_PER_LB = 0.45359237
_KM_PER_MILE = 1.609344
_LITRES_PER_GALLON = 3.785411784
_KW_PER_HP = 0.74569987158227022

_MPG_L100KM = 100 * _LITRES_PER_GALLON / _KM_PER_MILE

CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("kg", "lb"): Conversion(factor=1 / _KG_PER_LB),
    ("km", "mi"): Conversion(factor=1 / _KM_PER_MILE),
    ("cm", "in"): Conversion(factor=1 / 2.54),
    ("l", "gal"): Conversion(factor=1 / _LITRES_PER_GALLON),
    ("cm3", "in3"): Conversion(factor=1 / 16.387064),
    ("kW", "hp"): Conversion(factor=1 / _KW_PER_HP),
    ("km/h", "mph"): Conversion(factor=1 / _KM_PER_MILE),
    ("°C", "°F"): Conversion(factor=1.8, offset=32.0),
    ("°C", "K"): Conversion(offset=273.15),
    ("l/100km", "mpg"): Conversion(factor=_MPG_L100KM, inverse=True),
    ("%", "1"): Conversion(factor=0.01),
}


def conversion(unit: str, other: str) -> Conversion | None:
    """How to turn a value in `unit` into one in `other`; None when nobody knows."""
    if unit == other or not unit or not other:
        return SAME
    straight = CONVERSIONS.get((unit, other))
    if straight is not None:
        return straight
    back = CONVERSIONS.get((other, unit))
    if back is None:
        return None
    if back.inverse:
        return back
    return Conversion(factor=1 / back.factor, offset=-back.offset / back.factor)


def check_conversion(unit: str, model_unit: str, *, place: str) -> None:
    """Raise `InvalidInput` at `place` unless values can be turned from one unit into the other."""
    if conversion(unit, model_unit) is not None:
        return
    known = sorted({name for pair in CONVERSIONS for name in pair})
    near = difflib.get_close_matches(unit, known, n=1)
    hint = f"did you mean {near[0]}? " if near and near[0] != unit else ""
    raise InvalidInput(
        f"no conversion from {unit!r} to {model_unit!r}",
        place=place,
        remedy=f"{hint}known units: {', '.join(known)}",
    )

"""What a model takes and gives, prepared for checking requests quickly."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple

from tidemill_runtime.model_package import NUMPY_TYPES, PackageMetadata
from tidemill_runtime.predict.refusal import bad_request

EXACT_FLOAT = 2.0**53
"""Beyond it a float does not say which integer was meant."""

_FLOATS = ("FP64", "FP32", "FP16")
_NUMBERS: FrozenSet[type] = frozenset((float, int))
_JSON_TYPES: Dict[str, FrozenSet[type]] = {
    **{name: frozenset((int,)) for name in NUMPY_TYPES if "INT" in name},
    **dict.fromkeys(_FLOATS, _NUMBERS),
    "BOOL": frozenset((bool,)),
    "BYTES": frozenset((str,)),
}


class Schema:
    """The columns of a model in the order of its signature, with the JSON types that each takes."""

    def __init__(self, metadata: PackageMetadata) -> None:
        self.metadata = metadata
        self.columns = metadata.columns
        self.width = len(metadata.columns)
        self.types = metadata.column_types
        self.nullable = tuple(item.nullable for item in metadata.inputs for _ in range(item.width))
        one = set(self.types)
        uniform = len(one) == 1 and "BYTES" not in one
        self.uniform: Optional[str] = NUMPY_TYPES[self.types[0]] if uniform else None
        strict = not any(self.nullable)
        self._all: Optional[FrozenSet[type]] = _JSON_TYPES[self.types[0]] if len(one) == 1 and strict else None

    def row(self, instance: Any, number: int) -> List[Any]:
        """One instance (an object by column name, a list in order, or the value of the only column) as a row.

        `number` counts instances from 0 and stands in the error.
        """
        if type(instance) is dict:
            try:
                values = [instance[name] for name in self.columns]
            except KeyError as missing:
                raise bad_request(f"instance {number} has no column {missing.args[0]!r}{self._known()}") from None
            if len(instance) != self.width:
                unknown = sorted(set(instance) - set(self.columns))
                raise bad_request(f"instance {number} has the unknown column {unknown[0]!r}{self._known()}")
        elif type(instance) is list:
            values = instance
            if len(values) != self.width:
                raise bad_request(f"instance {number} has {len(values)} values, the model takes {self.width}")
        elif self.width == 1:
            values = [instance]
        else:
            raise bad_request(f"instance {number} is neither an object by column nor a list of {self.width} values")
        if self._all is not None and self._all.issuperset(map(type, values)):
            return values
        return self._checked(values, number)

    def _checked(self, values: Sequence[Any], number: int) -> List[Any]:
        return [
            check_value(value, kind, nullable, f"instance {number}, column {name!r}")
            for value, kind, nullable, name in zip(values, self.types, self.nullable, self.columns)
        ]

    def _known(self) -> str:
        return "; the columns are " + ", ".join(self.columns[:50])


def check_value(value: Any, datatype: str, nullable: bool, place: str) -> Any:
    """A JSON value as the datatype wants it; 400 at `place` when it is of another type."""
    if value is None:
        if not nullable:
            raise bad_request(f"{place} is null, the model takes {datatype}")
        return None if datatype == "BYTES" else float("nan")
    if type(value) in _JSON_TYPES[datatype]:
        return value
    if type(value) is float and "INT" in datatype and value.is_integer() and abs(value) <= EXACT_FLOAT:
        return int(value)  # a client whose language has only one kind of number
    raise bad_request(f"{place} is {_shown(value)}, the model takes {datatype}")


def check_values(values: Sequence[Any], datatype: str, place: str) -> None:
    """Refuse with 400 unless every JSON value is of the datatype."""
    allowed = _JSON_TYPES[datatype]
    if not allowed.issuperset(map(type, values)):
        wrong = next(value for value in values if type(value) not in allowed)
        raise bad_request(f"{place} holds {_shown(wrong)}, its datatype is {datatype}")


def compatible(given: str, wanted: str) -> bool:
    """True when a tensor of the datatype `given` may be used where the signature says `wanted`."""
    if given == wanted:
        return True
    if "BYTES" in (given, wanted) or "BOOL" in (given, wanted):
        return False
    return wanted in _FLOATS or given not in _FLOATS


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text[:40]}"


def product(shape: Tuple[int, ...]) -> int:
    """The number of elements of a shape."""
    result = 1
    for size in shape:
        result *= size
    return result

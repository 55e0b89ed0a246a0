"""Hold plain JSON against a protobuf message: every field known, every scalar of its type, names in one spelling."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tidemill.pipelines.documents import Spot

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

FREE_FORM = frozenset({"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"})
DURATION = re.compile(r"-?\d{1,12}(\.\d{1,9})?s")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A remedy that names the known word most like this one, or lists the known ones when they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:
        # A difference in case or separators only is a typing slip, whatever the ratio says.
        plain = {re.sub(r"[\W_]", "", each).lower(): each for each in names}
        slip = plain.get(re.sub(r"[\W_]", "", name).lower())
        close = [slip] if slip else []
    if close:
        return f"did you mean {close[0]!r}?"
    if names and len(names) <= 12:
        return "known here: " + ", ".join(names)
    return None


def conform(value: Any, message: Descriptor, spot: Spot) -> dict[str, Any]:
    """The JSON object with camelCase names, enum names, and numbers as numbers; `InvalidInput` for anything else.

    protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/): names may be camelCase or as in the .proto
    file, null means unset, 64-bit integers may be text.
    """
    if not isinstance(value, dict):
        raise spot.problem(f"should be an object, and is {kind_of(value)}")
    fields = {field.json_name: field for field in message.fields}
    spellings = {**{field.name: field for field in message.fields}, **fields}
    result: dict[str, Any] = {}
    chosen: dict[str, str] = {}
    for key, item in value.items():
        field = spellings.get(key)
        if field is None:
            raise spot.at(key).problem(f"no such field in {message.name}", nearest(key, fields))
        if item is None and not _is_value(field):
            continue
        if field.json_name in result:
            raise spot.at(key).problem("the same field stands here twice, in two spellings")
        group = field.containing_oneof
        if group is not None and chosen.setdefault(group.name, key) != key:
            raise spot.at(key).problem(f"excludes the field {chosen[group.name]!r}, and both are given")
        result[field.json_name] = _field(item, field, spot.at(key))
    return result


def _is_value(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.full_name == "google.protobuf.Value"


def _field(value: Any, field: FieldDescriptor, spot: Spot) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        if not isinstance(value, dict):
            raise spot.problem(f"should be an object, and is {kind_of(value)}")
        entry = field.message_type.fields_by_name["value"]
        return {key: _single(item, entry, spot.at(key)) for key, item in value.items()}
    if field.is_repeated:
        if not isinstance(value, list):
            raise spot.problem(f"should be a list, and is {kind_of(value)}")
        return [_single(item, field, spot.at(index)) for index, item in enumerate(value)]
    return _single(value, field, spot)


def _single(value: Any, field: FieldDescriptor, spot: Spot) -> Any:
    if field.message_type is not None:
        return _message(value, field.message_type, spot)
    if field.enum_type is not None:
        return _enum(value, field.enum_type, spot)
    return _scalar(value, field, spot)


def _message(value: Any, message: Descriptor, spot: Spot) -> Any:
    name = message.full_name
    if name == "google.protobuf.Struct":
        if not isinstance(value, dict):
            raise spot.problem(f"should be an object, and is {kind_of(value)}")
        return value
    if name in FREE_FORM:
        return value
    if name == "google.protobuf.Duration":
        if not isinstance(value, str) or not DURATION.fullmatch(value):
            raise spot.problem(f"should be a duration, and is {kind_of(value)}", "write seconds, like 90s or 1.5s")
        return value
    return conform(value, message, spot)


def _enum(value: Any, enum: EnumDescriptor, spot: Spot) -> str:
    if isinstance(value, str) and value in enum.values_by_name:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return enum.values_by_number[value].name
    raise spot.problem(f"{value!r} is not one of {enum.name}", nearest(str(value), enum.values_by_name))


def _scalar(value: Any, field: FieldDescriptor, spot: Spot) -> Any:
    kind = field.cpp_type
    if kind == field.CPPTYPE_STRING:
        if isinstance(value, str):
            return value
        raise spot.problem(f"should be text, and is {kind_of(value)}", "put it in quotes")
    if kind == field.CPPTYPE_BOOL:
        if isinstance(value, bool):
            return value
        raise spot.problem(f"should be true or false, and is {kind_of(value)}")
    number = _number(value)
    if kind in (field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT):
        if number is None:
            raise spot.problem(f"should be a number, and is {kind_of(value)}")
        return float(number)
    limit = 2**31 if kind == field.CPPTYPE_INT32 else 2**63
    if number is None or number != int(number) or not -limit <= number < limit:
        raise spot.problem(f"should be a whole number of {limit.bit_length()} bits, and is {kind_of(value)}")
    return int(number)


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?([eE][+-]?\d{1,3})?", value):
            return None
        value = int(value) if value.lstrip("-").isdecimal() else float(value)
    if isinstance(value, int):
        return value if abs(value) < 2**1000 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def kind_of(value: Any) -> str:
    """What a JSON value is, in words, with the value when it is short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text {value!r}" if len(value) <= 40 else "a text"
    return f"the number {value}" if abs(value) < 1e40 else "a number"

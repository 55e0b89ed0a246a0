"""Canonical JSON: one digest for one value; JSON from outside is checked before it is believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.base.canonical import MAX_DEPTH, canonical_json, digest_json, parse_json
from tidemill.base.errors import InvalidInput

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


@given(VALUES)
def test_a_value_survives_the_round_trip(value: object) -> None:
    text = canonical_json(value) if _encodable(value) else b"null"
    assert parse_json(text, place="test") == json.loads(text)


def _encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    assert digest_json({"a": 1, "b": [2]}) == digest_json({"b": [2], "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 1.5})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": NaN}', "NaN"),
        ("[Infinity]", "Infinity"),
        ('{"a": 1, "a": 2}', "twice"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper"),
        ("1" * 5000, "digits"),
        ("[1e999]", "too large"),
        ("{'a': 1}", "line 1"),
        (b"\xff", "UTF-8"),
        ("", "not JSON"),
    ],
)
def test_what_is_not_safe_json_is_refused_with_its_place(text: str | bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        parse_json(text, place="body")
    assert refused.value.place == "body"


def test_brackets_inside_strings_do_not_count_as_depth() -> None:
    text = json.dumps("[" * 500 + '\\"' + "{" * 500)
    assert parse_json(text, place="test") == json.loads(text)

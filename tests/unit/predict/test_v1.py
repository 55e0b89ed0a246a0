"""The V1 protocol: what is taken, and what is refused with 400."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.predict.models import Linear
from tests.unit.predict.packages import load

from tidemill_runtime.predict.refusal import Refusal
from tidemill_runtime.predict.schema import Schema
from tidemill_runtime.predict.v1 import V1


@pytest.fixture
def v1(tmp_path: Path) -> V1:
    return V1(Schema(load(tmp_path / "p", Linear(), nullable=("wght",), sample=[]).metadata))


@pytest.mark.parametrize(
    "document",
    [
        {"instances": [{"year": 82, "wght": 2130}]},
        {"instances": [[2130, 82]]},
        {"inputs": [[2130, 82]]},
        {"inputs": {"wght": [2130], "year": [82]}},
        {"inputs": {"year": [[82]], "wght": [[2130]]}},
        {"instances": [{"wght": 2130, "year": 82.0}]},
    ],
)
def test_named_and_positional_rows_arrive_in_the_order_of_the_signature(v1: V1, document: Any) -> None:
    query = v1.parse(json.dumps(document).encode())
    assert query.rows == [[2130, 82]]
    assert query.count == 1


def test_a_null_becomes_nan_where_the_model_takes_missing_values(v1: V1) -> None:
    (row,) = v1.parse(b'{"instances": [{"wght": null, "year": 82}]}').rows
    assert row[0] != row[0]


BAD = {
    "not JSON": b"{",
    "empty": b"",
    "not UTF-8": b'{"instances": [["\xff", 1]]}',
    "a list": b"[]",
    "NaN": b'{"instances": [[NaN, 1]]}',
    "no instances": b"{}",
    "instances null": b'{"instances": null}',
    "instances empty": b'{"instances": []}',
    "instances an object": b'{"instances": {"wght": 1}}',
    "too few values": b'{"instances": [[1]]}',
    "too many values": b'{"instances": [[1, 2, 3]]}',
    "a missing column": b'{"instances": [{"wght": 1}]}',
    "an unknown column": b'{"instances": [{"wght": 1, "year": 2, "colour": 3}]}',
    "text for a number": b'{"instances": [{"wght": "2130", "year": 82}]}',
    "a truth for a number": b'{"instances": [[true, 82]]}',
    "a fraction for an integer": b'{"instances": [[1, 82.5]]}',
    "null where nothing may be missing": b'{"instances": [[1, null]]}',
    "a nested list": b'{"instances": [[[1], 2]]}',
    "a bare number": b'{"instances": [1]}',
    "columns of different lengths": b'{"inputs": {"wght": [1, 2], "year": [1]}}',
    "a column that is no list": b'{"inputs": {"wght": 1, "year": [1]}}',
    "no columns": b'{"inputs": {}}',
    "very deep": b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}",
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_the_clients_fault(v1: V1, body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        v1.parse(body)
    assert caught.value.status == 400
    assert caught.value.message


def test_an_error_names_the_row_and_the_column(v1: V1) -> None:
    with pytest.raises(Refusal, match=r"instance 1, column 'year' is str 'x', the model takes INT64"):
        v1.parse(b'{"instances": [[1, 2], [1, "x"]]}')


def test_a_reply_has_the_predictions_and_the_id_of_the_log(v1: V1) -> None:
    query = v1.parse(b'{"instances": [[1, 2]]}')
    body, head = v1.render(query, [[3.0]], "the-id")
    assert json.loads(body) == {"predictions": [3.0], "id": "the-id"}
    assert head is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"instances": [{"wght": 1, "wght": 3000, "year": 82}]}', "wght"),
        ('{"instances": [{"year": 82, "wght": 1, "wght" : 1}]}', "wght"),
        ('{"instances": [{"wght": 1, "\\u0077ght": 3000, "year": 82}]}', "wght"),
        ('{"instances": [[1, 82]], "instances": [[2130, 82]]}', "instances"),
        ('{"inputs": {"wght": [1], "wght": [2], "year": [82]}}', "wght"),
        ('{"instances": [{"wght": 1, "year": 82}, {"wght": 1, "year": 82, "year": 83}]}', "year"),
        ('{"instances": [{"wght": 1, "wght": 2}, "a"]}', "wght"),
        ('{"instances": [[2130, 82]], "parameters": {"a": [{"b": 1, "b": 2}]}}', "b"),
        ('{"instances": [[2130, 82]], "note": "a:b", "note": "' + 9000 * ":" + '"}', "note"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_its_name(v1: V1, text: str, key: str) -> None:
    with pytest.raises(Refusal, match=f"the key '{key}' stands twice") as caught:
        v1.parse(text.encode())
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        '{"instances": [{"wght": 2130, "year": 82}], "note:": "a:b::"}',
        '{"instances": [[2130, 82]], "parameters": {"a": {"a": {"a": 1}}, "b": [{"a": 1}, {"a": 2}]}}',
        '{"instances" : [ { "wght" : 2130 , "year" : 82 } ] }',
        '{"instances": [[2130, 82]], "long": ' + 300 * "9" + ', "colon": ":"}',
    ],
)
def test_colons_and_equal_keys_of_different_objects_are_fine(v1: V1, text: str) -> None:
    assert v1.parse(text.encode()).rows == [[2130, 82]]


def test_objects_as_deep_as_they_may_be_are_an_answer_and_no_crash(v1: V1) -> None:
    deep = '{"instances": [[2130, 82]], "deep": ' + 1000 * '{"a":' + "1" + 1000 * "}" + "}"
    with contextlib.suppress(Refusal):
        assert v1.parse(deep.encode()).count == 1

"""The V2 protocol: JSON and binary tensors, and what is refused with 400."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy
import pytest
from tests.unit.predict.models import Linear, Twofold
from tests.unit.predict.packages import load

from tidemill_runtime.predict.refusal import Refusal
from tidemill_runtime.predict.schema import Schema
from tidemill_runtime.predict.v2 import V2

NUMBERS = {"wght": "FP64", "year": "FP64"}
MIXED = {"wght": "FP64", "year": "INT64", "origin": "BYTES", "new": "BOOL"}


def tensor(name: str, data: Any, datatype: str = "FP64", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data), 1], "data": data}


def body(*inputs: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


@pytest.fixture
def numbers(tmp_path: Path) -> V2:
    return V2(Schema(load(tmp_path / "n", Linear(), NUMBERS, sample=[]).metadata), "car", "3")


@pytest.fixture
def mixed(tmp_path: Path) -> V2:
    return V2(Schema(load(tmp_path / "m", Linear(), MIXED, sample=[]).metadata), "car", "3")


def test_a_tensor_per_column_becomes_rows_in_signature_order(numbers: V2) -> None:
    query = numbers.parse(body(tensor("year", [82, 70]), tensor("wght", [1, 2])))
    assert query.rows.tolist() == [[1, 82], [2, 70]]


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_one_tensor_with_all_columns_may_have_any_name_flat_or_nested(numbers: V2, data: Any) -> None:
    query = numbers.parse(body(tensor("input-0", data, "FP32", [2, 2])))
    assert query.rows.tolist() == [[1, 2], [3, 4]]
    assert query.rows.dtype == numpy.float64


def test_columns_of_several_types_become_rows_of_python_values(mixed: V2) -> None:
    query = mixed.parse(
        body(
            tensor("wght", [1.5]),
            tensor("year", [82], "INT64"),
            tensor("origin", ["USA"], "BYTES"),
            tensor("new", [True], "BOOL"),
        )
    )
    assert query.rows == [[1.5, 82, "USA", True]]


def test_binary_tensors_follow_the_json(mixed: V2) -> None:
    def part(name: str, datatype: str, data: bytes) -> dict[str, Any]:
        return {"name": name, "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": len(data)}}

    chunks = [struct.pack("<d", 1.5), struct.pack("<q", 82), struct.pack("<I", 3) + b"USA", b"\x01"]
    kinds = zip(MIXED.items(), chunks, strict=True)
    head = json.dumps({"inputs": [part(name, kind, data) for (name, kind), data in kinds]}).encode()
    query = mixed.parse(head + b"".join(chunks), len(head))
    assert query.rows == [[1.5, 82, "USA", True]]


def test_half_precision_travels_as_binary_only(numbers: V2) -> None:
    data = numpy.array([1, 2], dtype="<f2").tobytes()
    head = json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP16", "shape": [1, 2], "parameters": {"binary_data_size": 4}}]}
    ).encode()
    assert numbers.parse(head + data, len(head)).rows.tolist() == [[1, 2]]
    with pytest.raises(Refusal, match="binary data only"):
        numbers.parse(body(tensor("x", [1, 2], "FP16", [1, 2])))


GOOD = (tensor("wght", [1]), tensor("year", [2]))
BAD: dict[str, bytes] = {
    "not JSON": b"nope",
    "no inputs": b"{}",
    "inputs empty": body(),
    "inputs null": b'{"inputs": null}',
    "an input that is no object": b'{"inputs": [1]}',
    "an input without a name": b'{"inputs": [{"shape": [1]}]}',
    "a missing input": body(GOOD[0]),
    "an unknown input": body(*GOOD, tensor("colour", [1])),
    "an input twice": body(GOOD[0], GOOD[0], GOOD[1]),
    "an unknown datatype": body(tensor("wght", [1], "FP128"), GOOD[1]),
    "no datatype": b'{"inputs": [{"name": "wght", "shape": [1], "data": [1]}]}',
    "no shape": b'{"inputs": [{"name": "wght", "datatype": "FP64", "data": [1]}]}',
    "a negative shape": body(tensor("wght", [1], shape=[-1]), GOOD[1]),
    "a shape of text": b'{"inputs": [{"name": "wght", "datatype": "FP64", "shape": ["1"], "data": [1]}]}',
    "a shape that does not match": body(tensor("wght", [1, 2], shape=[3, 1]), GOOD[1]),
    "the wrong number of columns": body(tensor("x", [1, 2, 3], shape=[1, 3])),
    "different numbers of rows": body(tensor("wght", [1, 2]), GOOD[1]),
    "no rows": body(tensor("wght", [], shape=[0, 1]), tensor("year", [], shape=[0, 1])),
    "no data": b'{"inputs": [{"name": "wght", "datatype": "FP64", "shape": [1]}]}',
    "uneven data": body(tensor("x", [[1, 2], 3], shape=[1, 3])),
    "text in FP64": body(tensor("wght", ["1"]), GOOD[1]),
    "null in FP64": body(tensor("wght", [None]), GOOD[1]),
    "BYTES for FP64": body(tensor("wght", ["1"], "BYTES"), GOOD[1]),
    "a number too large": body(tensor("wght", [2**63], "INT64"), GOOD[1]),
    "an id that is no text": body(*GOOD, id=7),
    "an unknown output": body(*GOOD, outputs=[{"name": "colour"}]),
    "outputs that are no list": body(*GOOD, outputs={"name": "predict"}),
    "binary data without its header": body(
        {"name": "wght", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}, GOOD[1]
    ),
    "a binary size of text": body(
        {"name": "wght", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": "8"}}, GOOD[1]
    ),
}


@pytest.mark.parametrize("given", BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_the_clients_fault(numbers: V2, given: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        numbers.parse(given)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("size", "tail", "message"),
    [(16, b"1234567", "bytes are left"), (7, b"1234567", "no whole number"), (8, b"123456789", "follow the last")],
)
def test_binary_data_of_another_size_is_refused(numbers: V2, size: int, tail: bytes, message: str) -> None:
    part = {"name": "wght", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": size}}
    head = body(part, GOOD[1])
    with pytest.raises(Refusal, match=message):
        numbers.parse(head + tail, len(head))


def test_an_integer_that_the_signature_cannot_hold_is_refused(tmp_path: Path) -> None:
    v2 = V2(Schema(load(tmp_path / "p", Linear(), {"a": "UINT8"}, sample=[]).metadata), "car", "1")
    with pytest.raises(Refusal, match="cannot hold"):
        v2.parse(body(tensor("a", [-1], "INT64")))


def test_the_reply_echoes_the_clients_id_and_names_the_model(numbers: V2) -> None:
    query = numbers.parse(body(*GOOD, id="mine"))
    reply = json.loads(numbers.render(query, [[3.0]], "ours")[0])
    assert reply == {
        "model_name": "car",
        "model_version": "3",
        "id": "mine",
        "outputs": [{"name": "predict", "shape": [1], "datatype": "FP64", "data": [3.0]}],
    }


def test_without_an_id_the_reply_carries_the_one_of_the_log(numbers: V2) -> None:
    query = numbers.parse(body(*GOOD))
    assert json.loads(numbers.render(query, [[3.0]], "ours")[0])["id"] == "ours"


def test_outputs_are_chosen_by_name_and_sent_as_binary_on_request(tmp_path: Path) -> None:
    outputs = [
        {"name": "predict", "datatype": "FP64", "shape": [-1]},
        {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 2]},
    ]
    v2 = V2(Schema(load(tmp_path / "t", Twofold(), NUMBERS, outputs=outputs, sample=[]).metadata), "car", "1")
    asked = [{"name": "predict_proba", "parameters": {"binary_data": True}}]
    query = v2.parse(body(*GOOD, outputs=asked))
    reply, size = v2.render(query, [[3.0], [[0.25, 0.75]]], "ours")
    assert size is not None
    (output,) = json.loads(reply[:size])["outputs"]
    assert output["shape"] == [1, 2]
    assert numpy.frombuffer(reply[size:], "<f8").tolist() == [0.25, 0.75]


def test_a_key_that_stands_twice_is_refused_by_its_name(numbers: V2) -> None:
    good = body(tensor("wght", [2130.0]), tensor("year", [82.0]), id="a:b", parameters={"a": 1})
    assert numbers.parse(good).count == 1
    for twice in ('"data": [1.0], "data": [2130.0]', '"parameters": {"x": 1, "x": 2}, "data": [2130.0]'):
        bad = good.replace(b'"data": [2130.0]', twice.encode())
        assert bad != good
        with pytest.raises(Refusal, match=r"the key '(data|x)' stands twice") as caught:
            numbers.parse(bad)
        assert caught.value.status == 400

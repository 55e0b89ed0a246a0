"""The parameters of a run: names, types, defaults, text from a command line."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.unit.pipelines.specs import load, spec

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import MISSING, Pipeline, check_arguments, parse_arguments, parse_quantity

PARAMETERS: dict[str, Any] = {
    "count": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0},
    "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 1},
    "text": {"parameterType": "STRING"},
    "flag": {"parameterType": "BOOLEAN", "isOptional": True},
    "items": {"parameterType": "LIST", "defaultValue": [1.0, 2.5]},
    "options": {"parameterType": "STRUCT", "isOptional": True},
    "kind": {"parameterType": "STRING", "literals": ["a", "b"], "isOptional": True},
}


@pytest.fixture
def pipeline() -> Pipeline:
    whole = spec()
    whole["root"]["inputDefinitions"]["parameters"] = PARAMETERS
    return load(whole)


def test_defaults_fill_in_and_optional_ones_are_left_out(pipeline: Pipeline) -> None:
    values = check_arguments(pipeline, {"text": "x"})
    assert repr(values) == "{'count': 3, 'rate': 1.0, 'text': 'x', 'items': [1, 2.5]}"
    assert "flag" not in values
    assert check_arguments(pipeline, {"text": "x", "flag": None, "count": None})["count"] == 3


def test_an_unknown_name_is_refused_with_the_nearest(pipeline: Pipeline) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_arguments(pipeline, {"text": "x", "cuont": 1})
    assert caught.value.message == "small has no parameter 'cuont'"
    assert caught.value.remedy == "did you mean 'count'?"


def test_a_missing_one_is_named(pipeline: Pipeline) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_arguments(pipeline, {})
    assert caught.value.message == "small needs the parameter 'text' (text)"
    with pytest.raises(InvalidInput):
        check_arguments(pipeline, {"text": None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 1.5),
        ("count", True),
        ("count", "1"),
        ("count", math.nan),
        ("rate", "1"),
        ("rate", False),
        ("text", 1),
        ("flag", 1),
        ("flag", "true"),
        ("items", "[1]"),
        ("items", {}),
        ("options", []),
        ("kind", "c"),
    ],
)
def test_a_wrong_type_is_refused_at_its_name(pipeline: Pipeline, name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_arguments(pipeline, {"text": "x", name: value})
    assert caught.value.place == f"parameters.{name}"


def test_numbers_and_hard_values_survive(pipeline: Pipeline) -> None:
    hard = "ü\n'\"{{$}}" * 100_000
    values = check_arguments(
        pipeline,
        {"text": hard, "count": 2**60 + 1, "rate": math.inf, "items": [1, 2.0, 2**60 + 1], "options": {"a": {"b": 1}}},
    )
    assert values["text"] == hard
    assert values["count"] == 2**60 + 1
    assert values["rate"] == math.inf
    assert repr(values["items"]) == f"[1, 2.0, {2**60 + 1}]"
    assert math.isnan(check_arguments(pipeline, {"text": "", "rate": math.nan})["rate"])
    assert repr(check_arguments(pipeline, {"text": "", "count": 4.0})["count"]) == "4"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("count", "12", 12),
        ("count", "-3", -3),
        ("rate", "0.5", 0.5),
        ("rate", "1e3", 1000.0),
        ("rate", "inf", math.inf),
        ("text", "12", "12"),
        ("text", "", ""),
        ("flag", "True", True),
        ("flag", "false", False),
        ("items", "[1, 2.5]", [1, 2.5]),
        ("options", '{"a": null}', {"a": None}),
        ("unknown", "1", "1"),
    ],
)
def test_text_becomes_the_type(pipeline: Pipeline, name: str, text: str, value: Any) -> None:
    parsed = parse_arguments(pipeline, {name: text})
    assert repr(parsed) == repr({name: value})


@pytest.mark.parametrize(
    ("name", "text"),
    [("count", "1.5"), ("count", ""), ("rate", "much"), ("flag", "yes"), ("items", "1,2"), ("rate", "9" * 400)],
)
def test_text_that_is_not_of_the_type_is_refused(pipeline: Pipeline, name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_arguments(pipeline, {name: text})
    assert caught.value.place == f"parameters.{name}"


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), ("1", 1), (".5", 0.5), ("2Gi", 2**31), ("64Mi", 2**26), ("1e3", 1000), ("2k", 2000), ("1E", 1e18)],
)
def test_a_quantity_becomes_a_number(text: str, number: float) -> None:
    assert parse_quantity(text, place="cpu") == number


@pytest.mark.parametrize("text", ["", "-1", "1 Gi x", "Gi", "1GiB", "nan"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_quantity(text, place="cpu")


def test_missing_is_one_object_also_after_pickling() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert repr(MISSING) == "MISSING"

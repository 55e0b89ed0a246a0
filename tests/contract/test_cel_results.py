"""CEL as KFP uses it: the adapter gives the results of cel-go, by its specification and KFP's own expression tests.

Sources: https://github.com/google/cel-spec (language definition: numeric equality and ordering across types, logic with
errors, conversions), cel-go's `Double.ConvertToType` (`%g`), and the KFP driver, which hands numbers over as doubles.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import check_condition, evaluate_condition, select_value
from tidemill.pipelines.conditions import condition_inputs

VALUES: dict[str, Any] = {
    "three": 3,
    "half": 0.5,
    "text": "foo",
    "quoted": "it's",
    "attack": "x' || 'a'=='a",
    "double": 'say "hi"',
    "yes": True,
    "no": False,
    "empty": "",
    "nothing": None,
    "list": [1, 2.5, "a"],
    "object": {"a": 1, "b": {"c": True}},
    "nan": math.nan,
    "infinite": math.inf,
    "large": 2**53 + 1,
    "unicode": "größe ☃",
}
ARTIFACTS = {"model": {"artifacts": [{"uri": "gs://root/abc", "metadata": {"accuracy": 0.95, "epochs": 10}}]}}

TRUE = [
    # numbers compare by value, whatever their type
    "inputs.parameter_values['three'] == 3",
    "inputs.parameter_values['three'] == 3.0",
    "inputs.parameter_values['three'] == 3u",
    "dyn(3.0) == 3",
    "int(inputs.parameter_values['three']) == 3",
    "double(int(inputs.parameter_values['three'])) >= 2.5",
    "inputs.parameter_values['three'] > 2",
    "inputs.parameter_values['three'] > 2.5",
    "inputs.parameter_values['half'] < 1",
    "inputs.parameter_values['three'] != 4",
    "inputs.parameter_values['three'] in [1, 2, 3]",
    "inputs.parameter_values['three'] * 2.0 == 6.0",
    "inputs.parameter_values['infinite'] > 1e308",
    "inputs.parameter_values['nan'] != inputs.parameter_values['nan']",
    "int(inputs.parameter_values['large']) == 9007199254740993",
    # text
    "inputs.parameter_values['text'] == 'foo'",
    'inputs.parameter_values["text"] == "foo"',
    "inputs.parameter_values.text == 'foo'",
    "inputs.parameter_values['text'] < 'fop'",
    "inputs.parameter_values['quoted'] == 'it\\'s'",
    "inputs.parameter_values['quoted'] == \"it's\"",
    "inputs.parameter_values['double'] == 'say \"hi\"'",
    "inputs.parameter_values['attack'] == \"x' || 'a'=='a\"",
    "inputs.parameter_values['empty'] == ''",
    "inputs.parameter_values['unicode'] == 'gr\\u00f6\\u00dfe \\u2603'",
    "inputs.parameter_values['text'].startsWith('f')",
    "inputs.parameter_values['text'].contains('oo')",
    "inputs.parameter_values['text'].matches('^fo+$')",
    "size(inputs.parameter_values['unicode']) == 7",
    "inputs.parameter_values['unicode'].size() == 7",
    "'size(x)'.size() == 7",
    "size(b'abc') == 3",
    "size(inputs.parameter_values['object']) == 2",
    "inputs.parameter_values['text'] + 'bar' == 'foobar'",
    # booleans, null, lists, objects
    "inputs.parameter_values['yes'] == true",
    "inputs.parameter_values['yes']",
    "!inputs.parameter_values['no']",
    "inputs.parameter_values['nothing'] == null",
    "inputs.parameter_values['list'][1] == 2.5",
    "size(inputs.parameter_values['list']) == 3",
    "'a' in inputs.parameter_values['list']",
    "inputs.parameter_values['list'].exists(x, x == 1)",
    "inputs.parameter_values['object']['b']['c'] == true",
    "inputs.parameter_values['object'].a == 1",
    "'a' in inputs.parameter_values['object']",
    "has(inputs.parameter_values.text)",
    "!has(inputs.parameter_values.other)",
    # different kinds are unequal, not an error
    "inputs.parameter_values['text'] != 3",
    "inputs.parameter_values['three'] != '3'",
    "inputs.parameter_values['yes'] != 1",
    "inputs.parameter_values['nothing'] != 0",
    # logic; an error on one side does not matter where the other side decides
    "!(inputs.parameter_values['three'] == 4) && inputs.parameter_values['text'] == 'foo'",
    "inputs.parameter_values['three'] == 4 || inputs.parameter_values['yes']",
    "inputs.parameter_values['other'] == 1 || true",
    "!(false && inputs.parameter_values['other'] == 1)",
    "inputs.parameter_values['yes'] ? true : false",
    # conversions
    "string(inputs.parameter_values['three']) == '3'",
    "string(inputs.parameter_values['half']) == '0.5'",
    "string(inputs.parameter_values['yes']) == 'true'",
    "string(inputs.parameter_values['text']) == 'foo'",
    "string(123) == '123'",
    "string(-456) == '-456'",
    "string(9876u) == '9876'",
    "string(123.456) == '123.456'",
    "string(-4.5e-3) == '-0.0045'",
    "string(0.00001) == '1e-05'",
    "string(123456.0) == '123456'",
    "string(1e6) == '1e+06'",
    "string(6.02214e23) == '6.02214e+23'",
    "string(b'abc') == 'abc'",
    "'string(1)' == \"string(1)\"",
    "int('987') == 987",
    "int(-123.456) == -123",
    "int(1.9) == 1",
    "int(-7.9) == -7",
    "int(42u) == 42",
    "double('123.456') == 123.456",
    "double('-84.32e7') == -8.432e8",
    "double(1000000000000) == 1e12",
    "uint(3.14159265) == 3u",
    "bool('true')",
    "!bool('0')",
    "7 / 2 == 3",
    "-7 / 2 == -3",
    "-7 % 2 == -1",
    "type(1) == int",
    # KFP's own: artifacts and parseJson
    "inputs.artifacts['model'].artifacts[0].metadata['accuracy']*100.0 > 90.0",
    "inputs.artifacts['model'].artifacts[0].uri == 'gs://root/abc'",
    "parseJson('{\"a\": [1, 2]}')['a'][1] == 2.0",
]
FALSE = [
    "inputs.parameter_values['text'] == 'foo2'",
    "inputs.parameter_values['attack'] == 'x'",
    "inputs.parameter_values['attack'] == 'a'",
    "inputs.parameter_values['three'] == '3'",
    "inputs.parameter_values['yes'] == 1",
    "inputs.parameter_values['three'] < 3",
    "inputs.parameter_values['nan'] == inputs.parameter_values['nan']",
    "inputs.artifacts['model'].artifacts[0].metadata['accuracy']*100.0 <= 90.0",
    "1 == 2 || 2 == 3",
]
ERRORS = [
    ("inputs.parameter_values['other'] == 'foo'", "no such key"),
    ("inputs.parameter_values['text'] < 3", "No such overload"),
    ("inputs.parameter_values['three']", "is not true or false"),
    ("inputs.parameter_values['text']", "is not true or false"),
    ("!inputs.parameter_values['three']", "No such overload"),
    ("other == 1", "other"),
    ("1 / 0 == 1", "division by zero"),
    ("9223372036854775807 + 1 > 0", "overflow"),
    ("int('abc') == 1", "abc"),
    ("int(1e99) == 1", "overflow"),
    ("bool('maybe')", "no such overload"),
    ("string(inputs.parameter_values['list']) == ''", "no such overload"),
    ("parseJson('{') == 1", "property name"),
    ("inputs.parameter_values['list'][9] == 1", "bounds"),
    ("inputs.parameter_values['nan'] < 1.0", "No such overload"),
    ("size(3) == 1", "no such overload"),
]
NOT_CEL = [
    "",
    "1 +",
    "inputs.parameter_values['text'] = 'foo'",
    "inputs.parameter_values['text'] == 'foo",
    "a b",
    "__import__('os'",
    "'int(inputs.parameter_values['x'])' == '3'",
    "(" * 300 + "1" + ")" * 300,
    "true" + " " * 30_000,
]


@pytest.mark.parametrize("expression", TRUE)
def test_true(expression: str) -> None:
    assert evaluate_condition(expression, VALUES, artifacts=ARTIFACTS) is True


@pytest.mark.parametrize("expression", FALSE)
def test_false(expression: str) -> None:
    assert evaluate_condition(expression, VALUES, artifacts=ARTIFACTS) is False


@pytest.mark.parametrize(("expression", "what"), ERRORS)
def test_an_error_is_an_error_and_never_an_answer(expression: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as caught:
        evaluate_condition(expression, VALUES, artifacts=ARTIFACTS, place="task choose")
    assert caught.value.place == "task choose"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("expression", NOT_CEL)
def test_what_is_no_cel_is_refused_before_it_runs(expression: str) -> None:
    with pytest.raises(InvalidInput, match="not a CEL expression"):
        check_condition(expression, place="here")


@pytest.mark.parametrize("expression", TRUE + FALSE)
def test_what_evaluates_also_checks(expression: str) -> None:
    check_condition(expression, place="here")


@given(st.text())
@settings(deadline=None)
def test_no_value_changes_the_control_flow(value: str) -> None:
    decided = evaluate_condition("inputs.parameter_values['x'] == 'a'", {"x": value})
    assert decided is (value == "a")
    both = evaluate_condition("inputs.parameter_values['x'] == inputs.parameter_values['y']", {"x": value, "y": value})
    assert both is True


@pytest.mark.parametrize("text", ["it's", "a 'b' c", "back\\slash's", "new\nline's", "new\nline"])
@pytest.mark.parametrize("operator", ["==", "!="])
def test_a_text_that_kfp_did_not_escape_is_compared_as_it_was_written(text: str, operator: str) -> None:
    # kfp 2.17 writes `channel == "it's"` as: inputs.parameter_values['channel'] == 'it's'
    expression = f"inputs.parameter_values['x'] {operator} '{text}'"
    check_condition(expression, place="here")
    assert evaluate_condition(expression, {"x": text}) is (operator == "==")
    assert evaluate_condition(expression, {"x": "other"}) is (operator == "!=")
    assert evaluate_condition(f"!({expression})", {"x": text}) is (operator == "!=")
    assert condition_inputs(expression) == ("x",)


def test_the_inputs_of_a_condition_are_found() -> None:
    expression = (
        "!(inputs.parameter_values['a'] == 1) && inputs.parameter_values[\"b\"] == inputs.parameter_values['a']"
    )
    assert condition_inputs(expression) == ("a", "b")


@pytest.mark.parametrize(
    ("selector", "value", "expected"),
    [
        ("", {"a": 1}, {"a": 1}),
        ('parseJson(string_value)["a"]', {"a": 1}, 1),
        ('parseJson(string_value)["a"]', '{"a": [1, 2.0]}', [1, 2.0]),
        ('parseJson(string_value)["a"]["b"]', {"a": {"b": 2**60 + 1}}, 2**60 + 1),
        ("parseJson(string_value)[0]", "[1.1,1.2,1.3]", 1.1),
        ("parseJson(string_value)[1]", [1, {"a": None}], {"a": None}),
        ("parseJson(string_value)", "[1]", [1]),
        ("string_value", "Hello,World!", "Hello,World!"),
        ("string_value", [1, 2], "[1, 2]"),
        ("struct_value.a", {"a": "A"}, "A"),
        ("struct_value.nested.b", {"nested": {"b": "B"}}, "B"),
        ("struct_value.list", {"list": [1, 2.5]}, [1, 2.5]),
        ("list_value[1] + 1.0", [1, 2], 3),
        ("number_value > 1.0", 2, True),
        ("bool_value", True, True),
    ],
)
def test_a_selector_takes_a_part(selector: str, value: Any, expected: Any) -> None:
    assert repr(select_value(selector, value)) == repr(expected)


def test_nan_survives_a_selector() -> None:
    assert math.isnan(select_value('parseJson(string_value)["a"]', {"a": math.nan}))


@pytest.mark.parametrize(
    ("selector", "value"),
    [
        ('parseJson(string_value)["c"]', {"a": 1}),
        ("parseJson(string_value)[5]", [1]),
        ('parseJson(string_value)["a"]', "no json"),
        ('parseJson(string_value)["a"]', [1]),
        ("struct_value.c", {"a": 1}),
        ("struct_value", "Hello"),
        ("1 +", 1),
    ],
)
def test_a_part_that_is_not_there_is_an_error(selector: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match="the selector"):
        select_value(selector, value, place="task loop")

"""Every codec brings a value back as it was, type and all, and writes equal values as equal bytes."""

from __future__ import annotations

import collections
import datetime
import decimal
import math
import sys
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from tidemill_runtime.step.codecs import NotCarried, Scene, load_value, save_value
from tidemill_runtime.step.codecs.choose import is_unchanged, type_name

Make = Callable[[], Any]

FRAME = {"a": [1, 2, 3], "b": [0.5, math.nan, 2.0], "c": ["x", "y", None]}


@pytest.fixture
def scene() -> Iterator[Scene]:
    before = sys.modules["__main__"]
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    yield Scene(main=main)
    sys.modules["__main__"] = before


def run_in(scene: Scene, code: str) -> None:
    exec(compile(code, "n.ipynb, cell 1", "exec", dont_inherit=True), scene.main.__dict__)


def round_trip(value: Any, path: Path, scene: Scene) -> tuple[str, Any]:
    metadata = save_value(value, str(path), scene)
    return metadata["codec"], load_value(str(path), metadata, scene)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        -1.5,
        "text \ud83d \u2028",
        [],
        {"a": [1, {"b": None}]},
        2**200,
        float("inf"),
        -0.0,
        [True, 1, 1.0],
    ],
)
def test_plain_values_travel_as_json(value: Any, tmp_path: Path, scene: Scene) -> None:
    codec, loaded = round_trip(value, tmp_path / "v", scene)
    assert codec == "json"
    assert repr(loaded) == repr(value)


SHARED = [1]


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "a"},
        {"a": (1,)},
        {1, 2},
        b"bytes",
        1j,
        decimal.Decimal("1.10"),
        range(3),
        collections.OrderedDict(a=1),
        collections.Counter("aab"),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        slice(1, 2),
        np.float32(1.5),
        [SHARED, SHARED],
        np.datetime64("2020-01-01"),
        10**5000,
        {"k": np.int64(1)},
        frozenset({"x"}),
        print,
        collections.deque([1], 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_would_bend_keep_their_type(value: Any, tmp_path: Path, scene: Scene) -> None:
    codec, loaded = round_trip(value, tmp_path / "v", scene)
    assert codec == "cloudpickle"
    assert type(loaded) is type(value)
    assert loaded == value
    if isinstance(value, list):
        assert loaded[0] is loaded[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.arange(6).reshape(2, 3),
        lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        lambda: np.array(5),
        lambda: np.array([], dtype="f4"),
        lambda: np.array(["a", "bc"]),
        lambda: np.array([1, 2], dtype=">i4"),
        lambda: np.array(["2020-01-01"], dtype="M8[D]"),
        lambda: np.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
        lambda: np.arange(10)[::2],
        lambda: np.array([True, False]),
    ],
)
def test_arrays_travel_as_npy(make: Make, tmp_path: Path, scene: Scene) -> None:
    value = make()
    codec, loaded = round_trip(value, tmp_path / "v", scene)
    assert codec == "npy"
    assert loaded.dtype == value.dtype
    assert np.array_equal(loaded, value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.array([1, "a", None], dtype=object),
        lambda: np.ma.array([1, 2], mask=[0, 1]),
        lambda: np.matrix([[1]]),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_arrays_that_npy_would_bend_keep_their_type(make: Make, tmp_path: Path, scene: Scene) -> None:
    codec, loaded = round_trip(make(), tmp_path / "v", scene)
    assert codec == "cloudpickle"
    assert type(loaded) is type(make())
    assert str(loaded) == str(make())


def multi_index() -> Any:
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", "n"])
    return pd.DataFrame(FRAME, index=index)


NARROW: dict[str, Make] = {
    "frame": lambda: pd.DataFrame(FRAME),
    "filtered": lambda: pd.DataFrame(FRAME)[lambda f: f.a > 1],
    "text index": lambda: pd.DataFrame(FRAME, index=["x", "y", "z"]),
    "multi index": multi_index,
    "categorical": lambda: pd.DataFrame(
        {"c": pd.Categorical(["b", "a", "b"], categories=["b", "a", "z"], ordered=True)}
    ),
    "zones": lambda: pd.DataFrame({"t": pd.to_datetime(["2020-01-01", "2021-06-01"]).tz_localize("Europe/Berlin")}),
    "nullable": lambda: pd.DataFrame(
        {"i": pd.array([1, None], dtype="Int64"), "b": pd.array([True, None], dtype="boolean")}
    ),
    "empty": lambda: pd.DataFrame({"a": pd.Series([], dtype="int64")}),
    "series": lambda: pd.Series([1.5, 2.5], index=["a", "b"], name="s"),
    "nameless series": lambda: pd.Series([1, 2]),
    "small types": lambda: pd.DataFrame({"a": np.array([1, 2], dtype="int8"), "b": np.array([1, 2], dtype="float32")}),
    "durations": lambda: pd.DataFrame({"d": pd.to_timedelta([1, 2], unit="s")}),
}

WIDE: dict[str, Make] = {
    "numbers as column names": lambda: pd.DataFrame([[1, 2]], columns=[0, "x"]),
    "twice the same column": lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "lists in cells": lambda: pd.DataFrame({"l": [[1], [2, 3]]}),
    "mixed objects": lambda: pd.DataFrame({"o": pd.Series([1, "a", (1, 2)], dtype=object)}),
    "frequency": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020-01-01", periods=2, freq="D")),
    "complex": lambda: pd.DataFrame({"c": [1j, 2j]}),
    "intervals": lambda: pd.DataFrame({"i": pd.cut([1, 2, 3], 2)}),
    "numbered series name": lambda: pd.Series([1], name=3),
}


@pytest.mark.parametrize("name", NARROW)
def test_frames_travel_as_parquet(name: str, tmp_path: Path, scene: Scene) -> None:
    value = NARROW[name]()
    codec, loaded = round_trip(value, tmp_path / "v", scene)
    assert codec == "parquet"
    same = pd.testing.assert_frame_equal if value.ndim == 2 else pd.testing.assert_series_equal
    same(loaded, value, check_freq=True)


@pytest.mark.parametrize("name", WIDE)
def test_frames_that_parquet_would_bend_are_exact_all_the_same(name: str, tmp_path: Path, scene: Scene) -> None:
    value = WIDE[name]()
    _, loaded = round_trip(value, tmp_path / "v", scene)
    same = pd.testing.assert_frame_equal if value.ndim == 2 else pd.testing.assert_series_equal
    same(loaded, value, check_freq=True)
    if name == "lists in cells":
        assert type(loaded["l"][0]) is list


def fitted() -> Any:
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "k": ["a", "b", "a", "b"]})
    chosen = ColumnTransformer([("n", StandardScaler(), ["x"]), ("k", OneHotEncoder(), ["k"])])
    return make_pipeline(chosen, Ridge(alpha=0.5)).fit(frame, [1.0, 2.0, 3.0, 4.0])


def test_estimators_travel_by_skops_and_predict_the_same(tmp_path: Path, scene: Scene) -> None:
    codec, loaded = round_trip(fitted(), tmp_path / "v", scene)
    assert codec == "skops"
    frame = pd.DataFrame({"x": [1.5], "k": ["b"]})
    assert loaded.predict(frame) == fitted().predict(frame)


def test_estimators_that_skops_does_not_trust_are_pickled(tmp_path: Path, scene: Scene) -> None:
    run_in(scene, "import numpy\ndef double(x):\n    return x * two\ntwo = 2")
    model = make_pipeline(FunctionTransformer(scene.main.__dict__["double"]), Ridge()).fit(
        np.array([[1.0], [2.0]]), [1.0, 2.0]
    )
    codec, loaded = round_trip(model, tmp_path / "v", scene)
    assert codec == "cloudpickle"
    assert loaded.predict(np.array([[3.0]])) == pytest.approx(model.predict(np.array([[3.0]])))


def test_sparse_matrices_keep_their_type(tmp_path: Path, scene: Scene) -> None:
    _, loaded = round_trip(sparse.csr_matrix([[0, 1], [2, 0]]), tmp_path / "v", scene)
    assert type(loaded) is sparse.csr_matrix
    assert loaded.toarray().tolist() == [[0, 1], [2, 0]]


def test_modules_are_imported_again(tmp_path: Path, scene: Scene) -> None:
    codec, loaded = round_trip(math, tmp_path / "v", scene)
    assert codec == "module"
    assert loaded is math


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"a": [1, 2.5]},
        lambda: np.arange(10.0),
        lambda: pd.DataFrame(FRAME),
        multi_index,
        fitted,
        lambda: (1, "a", {"b": b"c"}),
        lambda: RandomForestRegressor(n_estimators=3, random_state=0).fit([[1.0], [2.0]], [1.0, 2.0]),
    ],
)
def test_equal_values_give_equal_bytes(make: Make, tmp_path: Path, scene: Scene) -> None:
    save_value(make(), str(tmp_path / "one"), scene)
    save_value(make(), str(tmp_path / "two"), scene)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("make", [lambda: (i for i in range(3)), threading.Lock, sys._getframe])
def test_what_cannot_leave_a_process_is_refused_and_leaves_no_file(make: Make, tmp_path: Path, scene: Scene) -> None:
    with pytest.raises(NotCarried):
        save_value(make(), str(tmp_path / "v"), scene)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_metadata_is_known_by_its_beginning(tmp_path: Path, scene: Scene) -> None:
    for number, value in enumerate([[1, "a"], np.arange(3), pd.DataFrame({"a": [1]}), (1, 2)]):
        save_value(value, str(tmp_path / str(number)), scene)
        assert type_name(load_value(str(tmp_path / str(number)), {}, scene)) == type_name(value)


def test_a_damaged_file_is_refused(tmp_path: Path, scene: Scene) -> None:
    metadata = save_value(np.arange(3), str(tmp_path / "v"), scene)
    (tmp_path / "v").write_bytes(b"\x93NUMPY")
    with pytest.raises(NotCarried):
        load_value(str(tmp_path / "v"), metadata, scene)


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: np.arange(4), lambda v: v.__setitem__(0, 9)),
        (lambda: np.asfortranarray(np.ones((2, 3))), lambda v: v.fill(2)),
        (lambda: [1, 2], lambda v: v.append(3)),
        (lambda: pd.DataFrame(FRAME), lambda v: v.__setitem__("z", 1)),
        (lambda: {"a": {}}, lambda v: v["a"].update(b=1)),
        (lambda: {"a": 1}, lambda v: v.update(b=(1, 2))),
    ],
)
def test_a_change_in_place_is_seen(make: Make, change: Callable[[Any], None], tmp_path: Path, scene: Scene) -> None:
    path = str(tmp_path / "v")
    metadata = save_value(make(), path, scene)
    value = load_value(path, metadata, scene)
    assert is_unchanged(value, path, metadata, scene)
    change(value)
    assert not is_unchanged(value, path, metadata, scene)

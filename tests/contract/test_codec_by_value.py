"""Functions and classes of a notebook travel by value and see the notebook that they arrive in."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.notebooks.stepwise import in_child

from tidemill_runtime.step.codecs import Scene, load_value, save_value


@pytest.fixture(autouse=True)
def _main() -> Iterator[None]:
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before


def notebook(code: str = "", shared: frozenset[str] = frozenset(), known: frozenset[str] = frozenset()) -> Scene:
    """A fresh `__main__` in which the code ran."""
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(compile(code, "n.ipynb, cell 1", "exec", dont_inherit=True), main.__dict__)
    return Scene(main=main, shared=shared, known=known, label="n.ipynb/a")


def carried(code: str, name: str, path: Path, **options: Any) -> tuple[Any, Scene]:
    """The named value of one notebook, loaded into an empty one."""
    scene = notebook(code, **options)
    metadata = save_value(scene.main.__dict__[name], str(path), scene)
    there = notebook()
    return load_value(str(path), metadata, there), there


def test_a_function_sees_the_names_of_where_it_is_loaded(tmp_path: Path) -> None:
    function, there = carried("k = 1\ndef f(a, *, b=2):\n    'doc'\n    return a + b + k", "f", tmp_path / "f")
    there.main.__dict__["k"] = 100
    assert function(1) == 103
    assert (function.__doc__, function.__module__, function.__kwdefaults__) == ("doc", "__main__", {"b": 2})


def test_a_function_brings_the_globals_that_it_reads_and_not_those_known(tmp_path: Path) -> None:
    code = "k = 1\nj = 2\ndef g():\n    return j\ndef f():\n    return k + g()"
    _, there = carried(code, "f", tmp_path / "f", known=frozenset({"k"}))
    assert sorted(there.brought) == ["g", "j"]


def test_closures_that_share_a_variable_still_share_it(tmp_path: Path) -> None:
    code = (
        "def make():\n    n = 0\n    def inc():\n        nonlocal n\n        n += 1\n"
        "    def get():\n        return n\n    return inc, get\npair = make()"
    )
    (inc, get), _ = carried(code, "pair", tmp_path / "p")
    inc()
    assert get() == 1


def test_a_recursive_closure_is_one_function(tmp_path: Path) -> None:
    code = "def make():\n    def f(n):\n        return n if n == 0 else f(n - 1)\n    return f\nf = make()"
    function, _ = carried(code, "f", tmp_path / "f")
    assert function(5) == 0
    assert function.__closure__[0].cell_contents is function


def test_a_class_in_two_files_is_one_class_again(tmp_path: Path) -> None:
    scene = notebook("class A:\n    def m(self):\n        return 1\na = A()\nb = A()")
    first = save_value(scene.main.__dict__["a"], str(tmp_path / "a"), scene)
    second = save_value(scene.main.__dict__["b"], str(tmp_path / "b"), scene)
    there = notebook()
    assert type(load_value(str(tmp_path / "a"), first, there)) is type(load_value(str(tmp_path / "b"), second, there))


def test_a_class_that_every_step_has_is_taken_from_there(tmp_path: Path) -> None:
    code = "class A:\n    pass\na = A()"
    scene = notebook(code, shared=frozenset({"A"}))
    metadata = save_value(scene.main.__dict__["a"], str(tmp_path / "a"), scene)
    there = notebook(code)
    assert type(load_value(str(tmp_path / "a"), metadata, there)) is there.main.__dict__["A"]


def test_equal_functions_and_classes_give_equal_bytes(tmp_path: Path) -> None:
    code = "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int = 1\ndef f():\n    return P()\np = f()"
    for number in range(2):
        status, printed = in_child(functools.partial(_save, code, tmp_path, number), tmp_path, f"log{number}")
        assert status == 0, printed
    assert (tmp_path / "f0").read_bytes() == (tmp_path / "f1").read_bytes()
    assert (tmp_path / "p0").read_bytes() == (tmp_path / "p1").read_bytes()


def _save(code: str, folder: Path, number: int) -> int:
    scene = notebook(code)
    for name in ("f", "p"):
        save_value(scene.main.__dict__[name], str(folder / f"{name}{number}"), scene)
    return 0


def test_a_cached_function_is_cached_again(tmp_path: Path) -> None:
    code = "import functools\n@functools.lru_cache(maxsize=4)\ndef f(n):\n    return n * 2"
    function, _ = carried(code, "f", tmp_path / "f")
    assert function(2) == 4
    assert function.cache_parameters() == {"maxsize": 4, "typed": False}


def test_enums_named_tuples_and_data_classes_come_back_whole(tmp_path: Path) -> None:
    code = (
        "import enum, collections, dataclasses\nclass C(enum.Enum):\n    RED = 1\n"
        "Q = collections.namedtuple('Q', 'a')\n"
        "@dataclasses.dataclass\nclass D:\n    c: C\nvalue = [C.RED, Q(1), D(C.RED)]"
    )
    value, _ = carried(code, "value", tmp_path / "v")
    assert value[2].c is value[0]
    assert value[1].a == 1

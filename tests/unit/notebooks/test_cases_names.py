"""The cases of names: who makes what, and who takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.notebooks.notebook_text import compiled, inputs, outputs, parameters, program

from tidemill.base.errors import InvalidInput


def test_case_01_plain_use_passes_the_variable(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "x = 1\nunused = 2"), ("step:b prev:a", "print(x)"))
    assert inputs(made, "b") == {"x": "a"}
    assert outputs(made, "a") == ["x"]


def test_case_02_a_function_brings_its_free_variable(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "t = 1\nu = 2\ndef f(a):\n    return a + t"), ("step:b prev:a", "f(1)"))
    assert inputs(made, "b") == {"f": "a", "t": "a"}


def test_case_03_free_variables_are_closed_over_transitively_across_steps(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "k = 1\ndef f():\n    return k"),
        ("step:b prev:a", "def g():\n    return f()"),
        ("step:c prev:b", "g()"),
    )
    assert inputs(made, "b") == {}
    assert inputs(made, "c") == {"f": "a", "g": "b", "k": "a"}


def test_case_04_a_lambda_brings_its_free_variable(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "k = 1\nf = lambda v: v * k"), ("step:b prev:a", "f(2)"))
    assert inputs(made, "b") == {"f": "a", "k": "a"}


def test_case_05_a_function_inside_an_object_brings_newer_globals_with_it(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "k = 1\ndef f():\n    return k\nd = {'f': f}"),
        ("step:b prev:a", "k = 2"),
        ("step:c prev:b", "d['f']()"),
    )
    assert inputs(made, "c") == {"d": "a", "k": "b"}


def test_case_06_a_class_brings_the_globals_of_its_methods(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "g = 1\nclass A:\n    def m(self):\n        return g"), ("step:b prev:a", "A().m()")
    )
    assert inputs(made, "b") == {"A": "a", "g": "a"}


def test_case_07_an_instance_brings_the_helpers_of_its_class(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "g = 1\ndef h():\n    return g\nclass A:\n    def m(self):\n        return h()\na = A()"),
        ("step:b prev:a", "a.m()"),
    )
    assert inputs(made, "b") == {"a": "a", "g": "a", "h": "a"}


def test_case_08_defaults_decorators_and_class_attributes_are_needed_only_where_defined(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "n = 1\ndef f(v=n):\n    return v\nclass C:\n    size = n"),
        ("step:b prev:a", "f(), C.size"),
    )
    assert inputs(made, "b") == {"C": "a", "f": "a"}


def test_case_11_and_12_a_comprehension_target_is_local_and_no_producer(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "v = 1"), ("step:b prev:a", "w = [v for v in range(3)]"), ("step:c prev:b", "print(v)")
    )
    assert inputs(made, "b") == {}
    assert inputs(made, "c") == {"v": "a"}


def test_case_13_conditions_of_comprehensions_in_class_bodies_are_inputs(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "ok = 1\nxs = [1]"), ("step:b prev:a", "class C:\n    d = {x: 1 for x in xs if x > ok}")
    )
    assert inputs(made, "b") == {"ok": "a", "xs": "a"}


def test_case_14_augmented_assignment_takes_and_gives(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "n = 1"), ("step:b prev:a", "n += 1"), ("step:c prev:b", "print(n)"))
    assert inputs(made, "b") == {"n": "a"}
    assert inputs(made, "c") == {"n": "b"}


@pytest.mark.parametrize(
    "change",
    ["xs.append(1)", "xs[0] = 1", "xs.part = 1", "del xs[0]", "xs.a.b.sort()", "xs.drop(1, inplace=True)", "f(xs)"],
)
def test_case_15_a_change_in_place_makes_a_new_version(change: str, tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("functions", "def f(it):\n    it[0] = 2"),
        ("step:a", "xs = [1]"),
        ("step:b prev:a", change),
        ("step:c prev:b", "print(xs)"),
    )
    assert inputs(made, "c") == {"xs": "b"}


def test_case_15_reading_methods_make_no_version(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "xs = [1]"), ("step:b prev:a", "xs.count(1), xs.head()"), ("step:c prev:b", "xs")
    )
    assert inputs(made, "c") == {"xs": "a"}


def test_case_15_parallel_branches_that_change_one_object_are_refused_with_both(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        compiled(
            tmp_path,
            ("step:a", "xs = []"),
            ("step:b prev:a", "xs.append(1)"),
            ("step:c prev:a", "xs.append(2)"),
            ("step:d prev:b prev:c", "print(xs)"),
        )
    assert "b (cell 2, line 1) and c (cell 3, line 1)" in caught.value.message


def test_case_15_parallel_branches_that_may_change_one_object_are_warned_of(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "xs = make = open_it = []"),
        ("step:b prev:a", "xs.frob()"),
        ("step:c prev:a", "xs.frob()"),
        ("step:d prev:b prev:c", "print(xs)"),
    )
    assert any("cell 2" in str(w) and "cell 3" in str(w) for w in made.warnings)


def test_case_16_a_change_through_another_name_reaches_both(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "a = [1]\nb = a"), ("step:b prev:a", "b.append(2)"), ("step:c prev:b", "print(a)")
    )
    assert inputs(made, "c") == {"a": "b"}


def test_case_16_a_part_changed_in_another_step_is_warned_of(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "a = [[1]]\nb = a[0]"), ("step:b prev:a", "b.append(2)"), ("step:c prev:b", "print(a)")
    )
    assert [str(warning) for warning in made.warnings] == [
        "n.ipynb, cell 2, line 1: `b` and `a`, made in another step, may share an object: this change to `b` does not "
        "reach `a`; keep both in one step"
    ]


def test_case_17_a_conditional_definition_provides(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "import os\nif os.sep == '/':\n    x = 2"), ("step:b prev:a", "print(x)"))
    assert inputs(made, "b") == {"x": "a"}


def test_case_18_a_conditional_redefinition_keeps_the_input(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "x = 1\nflag = 0"),
        ("step:b prev:a", "if flag:\n    x = 2\nprint(x)"),
        ("step:c prev:b", "x"),
    )
    assert inputs(made, "b") == {"flag": "a", "x": "a"}
    assert inputs(made, "c") == {"x": "b"}


def test_case_18_a_step_that_only_may_bind_passes_on_what_it_was_given(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "x = 1\nflag = 0"), ("step:b prev:a", "if flag:\n    x = 2"), ("step:c prev:b", "print(x)")
    )
    assert inputs(made, "b") == {"flag": "a", "x": "a"}


def test_case_18_both_branches_bind_so_nothing_is_taken(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "x = 1\nflag = 0"),
        ("step:b prev:a", "if flag:\n    x = 2\nelif not flag:\n    x = 3\nelse:\n    raise ValueError\nprint(x)"),
    )
    assert inputs(made, "b") == {"flag": "a"}


def test_case_19_an_import_with_a_fallback_is_repeated(tmp_path: Path) -> None:
    code = "try:\n    import ujson as js\nexcept ImportError:\n    import json as js"
    made = compiled(tmp_path, ("step:a", code), ("step:b prev:a", "js.dumps(1)"))
    assert inputs(made, "b") == {}
    assert program(made, "b")["imports"] == [{"cell": 1, "code": code}]


def test_case_20_an_except_name_dies_and_others_live(tmp_path: Path) -> None:
    code = "try:\n    pass\nexcept ValueError as e:\n    why = e"
    made = compiled(tmp_path, ("step:a", "why = 0\n" + code), ("step:b prev:a", "print(why)"))
    assert inputs(made, "b") == {"why": "a"}
    with pytest.raises(InvalidInput, match="`e` is not defined"):
        compiled(tmp_path, ("step:a", code), ("step:b prev:a", "print(e)"))


def test_case_21_and_22_imports_are_repeated_not_carried(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "import os.path as p, json\nimport xml.dom"), ("step:b prev:a", "p.sep, xml.dom")
    )
    assert inputs(made, "b") == {}
    assert [item["code"] for item in program(made, "b")["imports"]] == ["import os.path as p, json", "import xml.dom"]


def test_case_24_a_star_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="from math import") as caught:
        compiled(tmp_path, ("step:a", "x = 1\nfrom math import *"))
    assert caught.value.place == "n.ipynb, cell 1, line 2"


def test_case_26_a_global_written_by_a_called_function_is_an_output(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("functions", "def setup():\n    global G\n    G = 5"),
        ("step:z", "G = 0"),
        ("step:a prev:z", "setup()"),
        ("step:b prev:a", "print(G)"),
    )
    assert inputs(made, "b") == {"G": "a"}
    assert inputs(made, "a") == {}


def test_case_27_a_global_changed_by_a_called_function_is_input_and_output(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "log = []\ndef note(x):\n    log.append(x)"),
        ("step:b prev:a", "note(1)"),
        ("step:c prev:b", "log"),
    )
    assert inputs(made, "b") == {"log": "a", "note": "a"}
    assert inputs(made, "c") == {"log": "b"}


def test_case_28_walrus_binds_outside_the_comprehension(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "xs = [last := x for x in range(3)]"), ("step:b prev:a", "print(last)"))
    assert inputs(made, "b") == {"last": "a"}


def test_case_29_match_captures_and_starred_targets_are_bound(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "match [1, 2, 3]:\n    case [first, *rest]:\n        pass\nh, *t = 1, 2\n"),
        ("step:b prev:a", "print(first, rest, h, t)"),
    )
    assert inputs(made, "b") == {"first": "a", "h": "a", "rest": "a", "t": "a"}


def test_case_30_an_open_file_that_crosses_steps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="open handle") as caught:
        compiled(tmp_path, ("step:a", "f = open('x')"), ("step:b prev:a", "f.read()"))
    assert caught.value.place == "n.ipynb, cell 2, line 1"
    assert "cell 1" in caught.value.message


def test_case_29_a_match_capture_is_known_in_its_own_step(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "match [1]:\n    case [first]:\n        pass"), ("", "print(first)"))
    assert made.warnings == ()


def test_case_31_a_loop_target_lives_after_the_loop(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "for i in range(3):\n    pass"), ("step:b prev:a", "print(i)"))
    assert inputs(made, "b") == {"i": "a"}


def test_case_32_names_in_formats_count(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "v = w = p = 1"), ("step:b prev:a", "print(f'{v:{w}.{p}f}')"))
    assert inputs(made, "b") == {"p": "a", "v": "a", "w": "a"}


def test_case_33_an_annotation_alone_defines_nothing(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "x = 1\nT = int"), ("step:b prev:a", "x: T\nprint(x)"))
    assert inputs(made, "b") == {"T": "a", "x": "a"}
    lazy = compiled(tmp_path, ("imports", "from __future__ import annotations"), ("step:b", "def f(a: Nowhere): ..."))
    assert inputs(lazy, "b") == {}


def test_case_34_shadowed_builtins_pass(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "list = [1]"), ("step:b prev:a", "print(list, max)"))
    assert inputs(made, "b") == {"list": "a"}


def test_case_35_a_deleted_name_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`x` was deleted in cell 2"):
        compiled(tmp_path, ("step:a", "x = 1"), ("step:b prev:a", "del x"), ("step:c prev:b", "print(x)"))


def test_case_36_top_level_await_and_async_def_are_read(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("step:a", "k = 1\nasync def f():\n    return k\nr = await f()"), ("step:b prev:a", "print(r)")
    )
    assert inputs(made, "b") == {"r": "a"}


def test_case_43_and_44_parameters_reach_functions_and_flow_on_when_set_anew(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("pipeline-parameters", "lr = 0.1\nk = 2"),
        ("functions", "def f():\n    return k"),
        ("step:a", "lr = lr * 2"),
        ("step:b prev:a", "print(lr, f())"),
    )
    assert (parameters(made, "a"), parameters(made, "b")) == (["lr"], ["k"])
    assert inputs(made, "b") == {"lr": "a"}

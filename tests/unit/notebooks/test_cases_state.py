"""The cases of magics, tags, order, parameters and hidden state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.notebooks.notebook_text import compiled, inputs, outputs, parameters, program, write_notebook

from tidemill.base.errors import InvalidInput
from tidemill.notebooks import compile_notebook


def test_case_37_reflection_is_warned_of_unless_tags_say_what_it_needs(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "x = 1"), ("step:b prev:a", "eval('x')"))
    assert [w.place for w in made.warnings] == ["n.ipynb, cell 2, line 1"]
    told = compiled(
        tmp_path, ("step:a", "x = 1"), ("step:b prev:a needs:x provides:y", "exec('y = x')"), ("step:c prev:b", "y")
    )
    assert told.warnings == ()
    assert (inputs(told, "b"), inputs(told, "c")) == ({"x": "a"}, {"y": "b"})


def test_case_38_names_in_queries_are_inputs(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "df = t = 1"),
        ("step:b prev:a", "df.query('a > @t')"),
        ("step:c prev:a", "db.sql('select * from df')"),
        ("imports", "import db"),
    )
    assert inputs(made, "b") == {"df": "a", "t": "a"}
    assert inputs(made, "c") == {"df": "a"}


@pytest.mark.parametrize("magic", ["%matplotlib inline", "%load_ext autoreload", "%timeit f(1)"])
def test_case_39_magics_for_people_do_nothing(magic: str, tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", f"{magic}\nx = 1"), ("step:b prev:a", "print(x)"))
    assert inputs(made, "b") == {"x": "a"}


def test_case_39_timed_and_captured_bodies_are_kept(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "%%time\nx = 1"),
        ("step:b prev:a", "%%capture out\ny = x"),
        ("step:c prev:b", "%time z = y\nprint(out)"),
        ("step:d prev:c", "z"),
    )
    assert inputs(made, "b") == {"x": "a"}
    assert inputs(made, "c") == {"out": "b", "x": "b", "y": "b"}  # x, y and z are one object, and stay one
    assert inputs(made, "d") == {"z": "c"}


def test_case_40_installs_become_requirements_and_shell_lines_take_names(tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path,
        [
            ("step:a", "!pip install -q tabulate==0.9.0\n%pip install six\npath = 'p'"),
            ("step:b prev:a", "files = !ls {path} $path"),
            ("step:c prev:b", "print(files)"),
        ],
    )
    made = compile_notebook(path, python="3.11")
    assert {"six", "tabulate==0.9.0"} <= set(made.requirements)
    assert inputs(made, "b") == {"path": "a"}
    assert inputs(made, "c") == {"files": "b"}


@pytest.mark.parametrize("cell", ["%%sql\nselect 1", "%store x", "%%R\nx", "%run other.py"])
def test_case_41_a_magic_that_cannot_be_kept_is_refused_with_its_line(cell: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot run in a step") as caught:
        compiled(tmp_path, ("step:a", "x = 1"), ("step:b", cell))
    assert caught.value.place == "n.ipynb, cell 2, line 1"


def test_case_41_help_and_shell_cells_are_kept(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "x = 1"), ("step:b prev:a", "print?"), ("step:c prev:b", "%%bash\necho hi"))
    assert "run_cell_magic" in program(made, "c")["cells"][0]["code"]


def test_case_42_parameters_have_types_and_defaults(tmp_path: Path) -> None:
    code = (
        "a = -1\nb = 1e-3\nc = 'x'\nd = True\ne = [1, -2.5]\nf = {'k': [1]}\ng: int = None\nh: 'float' = 2\n"
        "i: str | None = None\n"
        "j = 2 * 3\nk: list[str] = []\nl = (1, 2)"
    )
    made = compiled(tmp_path, ("pipeline-parameters", code), ("step:s", "print(a, g)"))
    found = made.spec["root"]["inputDefinitions"]["parameters"]
    types = {name: (spec["parameterType"], spec.get("defaultValue")) for name, spec in found.items()}
    assert types == {
        "a": ("NUMBER_INTEGER", -1.0),
        "b": ("NUMBER_DOUBLE", 1e-3),
        "c": ("STRING", "x"),
        "d": ("BOOLEAN", True),
        "e": ("LIST", [1, -2.5]),
        "f": ("STRUCT", {"k": [1]}),
        "g": ("NUMBER_INTEGER", None),
        "h": ("NUMBER_DOUBLE", 2.0),
        "i": ("STRING", None),
        "j": ("NUMBER_INTEGER", 6.0),
        "k": ("LIST", []),
        "l": ("LIST", [1, 2]),
    }
    assert parameters(made, "s") == ["a", "g"]


def test_case_42_a_value_that_belies_its_annotation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="annotated int") as caught:
        compiled(tmp_path, ("pipeline-parameters", "\nx: int = 'a'"), ("step:s", "print(x)"))
    assert caught.value.place == "n.ipynb, cell 1, line 2"


def test_case_42_what_is_computed_from_parameters_runs_before_every_step(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("pipeline-parameters", "n = 2\nm = n + len('a')"), ("step:s", "print(m)"))
    assert parameters(made, "s") == ["n"]
    assert [cell["code"] for cell in program(made, "s")["prelude"]] == ["\nm = n + len('a')"]


def test_case_45_and_51_bytes_of_texts_survive_the_wire(tmp_path: Path) -> None:
    code = "s = '{{$.inputs}} {{{x}}} $(pwd) ${HOME} \\\\ \" \\' \\u2028 \U0001f600'\nt = '''a\"\"\"b'''"
    made = compiled(tmp_path, ("step:a", code))
    assert program(made, "a")["cells"][0]["code"] == code
    argument = made.spec["deploymentSpec"]["executors"]["exec-a"]["container"]["args"][3]
    assert "{{" not in argument
    assert "$" not in argument


def test_case_46_a_function_on_a_step_variable_is_needed_only_by_steps_that_call_it(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("functions", "def show():\n    print(df)"),
        ("step:a", "df = 1"),
        ("step:b prev:a", "show()"),
        ("step:c prev:a", "print(2)"),
    )
    assert (inputs(made, "b"), inputs(made, "c")) == ({"df": "a"}, {})


def test_case_46_prelude_code_that_runs_on_a_step_variable_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="before every step") as caught:
        compiled(tmp_path, ("step:a", "df = 1"), ("functions", "def f(): ...\nprint(df)"))
    assert caught.value.place == "n.ipynb, cell 2, line 2"


def test_case_47_two_unordered_writers_are_refused_with_both(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        compiled(
            tmp_path,
            ("step:r", "z = 0"),
            ("step:a prev:r", "x = 1"),
            ("step:b prev:r", "y = 1\nx = 2"),
            ("step:c prev:a prev:b", "\nprint(x)"),
        )
    assert caught.value.place == "n.ipynb, cell 4, line 2"
    assert "a (cell 2, line 1) and b (cell 3, line 2)" in caught.value.message


def test_case_48_an_undefined_name_says_where_and_what_is_near(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        compiled(tmp_path, ("step:a", "accuracy = 1"), ("step:b prev:a", "\nprint(acuracy)"))
    assert caught.value.place == "n.ipynb, cell 2, line 2"
    assert caught.value.remedy == "did you mean `accuracy`?"


def test_case_48_an_undefined_name_in_a_called_function_is_found_in_its_cell(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="`nope`") as caught:
        compiled(tmp_path, ("functions", "def f():\n    return nope"), ("step:a", "f()"))
    assert caught.value.place == "n.ipynb, cell 1, line 2"


def test_case_49_a_redefinition_hides_what_was_upstream(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "x = 1"), ("step:b prev:a", "x = 2"), ("step:c prev:b", "print(x)"))
    assert (outputs(made, "a"), inputs(made, "c")) == ([], {"x": "b"})


def test_case_50_prev_orders_and_without_data_or_prev_steps_are_parallel(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "1"), ("step:b prev:a", "2"), ("step:c", "3"))
    tasks = made.spec["root"]["dag"]["tasks"]
    assert tasks["b"]["dependentTasks"] == ["a"]
    assert "dependentTasks" not in tasks["c"]


def test_case_53_untagged_cells_join_the_step_above(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("", "x = 1"),
        ("step:a prev:start", "y = x"),
        ("", "z = y"),
        ("", "  "),
        ("skip", "boom("),
        ("step:b prev:a", "z"),
    )
    assert made.source_map == {"a": (2, 3), "b": (6,), "start": (1,)}
    whole = compiled(tmp_path, ("", "x = 1"), ("", "print(x)"))
    assert whole.source_map == {"notebook": (1, 2)}
    assert any("one step" in str(note) for note in whole.notes)


def test_case_53_untagged_imports_above_the_first_step_run_before_every_step(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("", "import json"), ("step:a", "json"), ("step:b", "json"))
    assert made.source_map == {"a": (2,), "b": (3,)}


def test_case_54_foreign_tags_are_noted(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a hide-input", "x = 1"))
    assert [str(note) for note in made.notes] == ["n.ipynb, cell 1: tags that mean nothing here: hide-input"]


def test_case_55_local_modules_travel_and_imports_map_to_distributions(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from helping import deep\n")
    package = tmp_path / "helping"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "deep.py").write_text("V = 1\n")
    path = write_notebook(
        tmp_path, [("step:a", "import mine, yaml, attr, cv2\nfrom google.cloud import storage\nprint(mine)")]
    )
    made = compile_notebook(path, python="3.11")
    assert sorted(program(made, "a")["modules"]) == ["helping/__init__.py", "helping/deep.py", "mine.py"]
    names = {line.partition("==")[0] for line in made.requirements}
    assert {"pyyaml", "attrs", "opencv-python-headless", "google-cloud-storage"} <= names
    assert not {"mine", "helping"} & names
    assert any("opencv-python-headless is not installed here" in str(w) for w in made.warnings)


def test_case_55_a_distribution_that_is_not_installed_is_named_once_with_the_remedy(tmp_path: Path) -> None:
    code = "import cv2\nimport cv2.dnn\nfrom cv2 import aruco\nimport no_such_thing_here"
    made = compile_notebook(write_notebook(tmp_path, [("imports", code), ("step:a", "from cv2.ml import x")]))
    places = [(warning.place, warning.message.split()[0], warning.is_advice) for warning in made.warnings]
    assert places == [
        ("n.ipynb, cell 1, line 1", "opencv-python-headless", True),
        ("n.ipynb, cell 1, line 4", "no-such-thing-here", True),
    ]
    assert "pip install opencv-python-headless" in made.warnings[0].message


@pytest.mark.parametrize("code", ["x = (", "def f(:\n  pass", "x = 1\n  y = 2"])
def test_case_57_a_syntax_error_says_cell_and_line(code: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cell 2, line"):
        compiled(tmp_path, ("step:a", "x = 1"), ("step:b", code))


def test_case_58_the_bytes_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    write_notebook(
        tmp_path,
        [
            ("pipeline-parameters", "p = 1\nq = 2"),
            ("step:a", "x, y, z, w = 1, 2, 3, p"),
            ("step:b prev:a", "print(x, y, z, w, q)"),
        ],
    )
    code = (
        "from pathlib import Path; from tidemill.notebooks import compile_notebook; "
        "print(compile_notebook(Path('n.ipynb'), requirements=('b', 'a'), python='3.11').yaml)"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(texts) == 1


def test_case_59_cells_of_a_step_may_stand_apart_and_prev_may_point_forward(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:b prev:a", "print(x)"), ("step:a", "y = 1"), ("step:a", "x = y"))
    assert made.source_map["a"] == (2, 3)
    assert inputs(made, "b") == {"x": "a"}


def test_case_59_a_cycle_is_refused_with_its_cells(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"a \(cell 1\), b \(cell 2\)"):
        compiled(tmp_path, ("step:a prev:b", "1"), ("step:b prev:a", "2"))


def test_case_59_an_unknown_prev_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        compiled(tmp_path, ("step:load", "1"), ("step:b prev:laod", "2"))
    assert caught.value.remedy == "did you mean prev:load?"


def test_case_61_a_seeded_notebook_draws_in_its_own_order(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import random\nrandom.seed(1)"),
        ("step:a", "x = random.random()"),
        ("step:b", "y = 2"),
        ("step:c", "z = random.random()"),
    )
    assert inputs(made, "c") == {"random_state": "a"}
    assert inputs(made, "b") == {}


def test_case_61_without_a_seed_nothing_waits(tmp_path: Path) -> None:
    made = compiled(
        tmp_path, ("imports", "import random"), ("step:a", "x = random.random()"), ("step:c", "z = random.random()")
    )
    assert inputs(made, "c") == {}


def test_case_62_settings_of_the_process_are_repeated_in_later_steps(tmp_path: Path) -> None:
    code = "import os, warnings\nos.environ['A'] = 'b'\nwarnings.filterwarnings('ignore')\nx = 1"
    made = compiled(tmp_path, ("step:a", code), ("step:b prev:a", "print(x)"))
    assert [item["code"] for item in program(made, "b")["settings"]] == [
        "os.environ['A'] = 'b'",
        "warnings.filterwarnings('ignore')",
    ]
    assert [item["code"] for item in program(made, "b")["imports"]] == ["import os, warnings"]


def test_case_62_a_setting_that_depends_on_a_variable_is_warned_of(tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", "import os\nv = 'x'\nos.environ['A'] = v"), ("step:b prev:a", "print(v)"))
    assert [(w.place, "`v`" in w.message and "b (cell 2)" in w.message) for w in made.warnings] == [
        ("n.ipynb, cell 1, line 3", True)
    ]


def test_case_63_a_file_written_in_one_step_and_named_in_another_is_warned_of(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "x = 1\nopen('out.txt', 'w').write('1')"),
        ("step:b prev:a", "print(x, open('out.txt').read())"),
    )
    assert [w.place for w in made.warnings] == ["n.ipynb, cell 2, line 1"]
    assert "step a (cell 1)" in made.warnings[0].message


def test_case_64_a_figure_drawn_in_two_steps_is_warned_of(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import matplotlib.pyplot as plt"),
        ("step:a", "fig, ax = plt.subplots()"),
        ("step:b prev:a", "ax.plot([1])"),
    )
    assert [w.place for w in made.warnings] == ["n.ipynb, cell 3, line 1"]
    assert "cell 2 (step a)" in made.warnings[0].message


@pytest.mark.parametrize("name", ["_", "Out", "In", "_3", "__"])
def test_case_65_the_memory_of_a_session_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="interactive session"):
        compiled(tmp_path, ("step:a", f"print({name})"))


def test_case_66_a_monkey_patch_is_warned_of_with_the_steps_that_miss_it(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import json"),
        ("step:a", "def g(self): ...\njson.JSONEncoder.go = g"),
        ("step:b prev:a", "json"),
    )
    assert [w.place for w in made.warnings] == ["n.ipynb, cell 2, line 2"]
    assert "b (cell 3)" in made.warnings[0].message


def test_a_compile_imports_neither_web_nor_database_nor_data_libraries(tmp_path: Path) -> None:
    write_notebook(tmp_path, [("imports", "%matplotlib inline\nimport pandas as pd"), ("step:a", "pd.DataFrame()")])
    code = (
        "import sys, json; from pathlib import Path; from tidemill.notebooks import compile_notebook; "
        "compile_notebook(Path('n.ipynb')); print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    heavy = {"fastapi", "sqlalchemy", "pydantic", "pandas", "numpy", "IPython", "yaml", "starlette"}
    assert not heavy & set(json.loads(done.stdout))

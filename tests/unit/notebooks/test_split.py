"""Splitting a notebook without tags: where steps begin, what stays together, and that nothing but tags changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.notebooks.notebook_text import write_notebook

from tidemill.base.errors import InvalidInput
from tidemill.notebooks import NotebookStep, Split, compile_notebook, split_notebook, steps_of

FIGURE = "import matplotlib.pyplot as plt"


def document(*sources: str, **metadata: Any) -> dict[str, Any]:
    """A notebook; what begins with `#` and a blank is markdown, all else is code."""
    cells: list[dict[str, Any]] = []
    for number, source in enumerate(sources):
        cell: dict[str, Any] = {"cell_type": "code", "execution_count": None, "id": f"c{number}", "metadata": {}}
        cell |= {"outputs": [], "source": source.splitlines(keepends=True)}
        if source.startswith(("# ", "## ", "### ")):
            cell = {"cell_type": "markdown", "id": f"c{number}", "metadata": {}, "source": source}
        cells.append(cell)
    return {
        "cells": cells,
        "metadata": {"tidemill": {"requirements": []}, **metadata},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def split(folder: Path, *sources: str) -> Split:
    path = folder / "n.ipynb"
    path.write_text(json.dumps(document(*sources), indent=1, ensure_ascii=False) + "\n")
    return split_notebook(path)


def tags(made: Split) -> list[tuple[int, str]]:
    return [(number, " ".join(added)) for number, added in sorted(made.tags.items())]


def steps(made: Split) -> dict[str, tuple[int, ...]]:
    return {step.name: step.cells for step in steps_of(made.compiled)}


def test_each_heading_begins_a_step_and_the_rest_runs_before_every_step(tmp_path: Path) -> None:
    made = split(
        tmp_path,
        "# My study",
        "import math",
        "rounds = 3\nrate = 0.5",
        "SCALE = 2\ndef scaled(x):\n    return math.floor(x * SCALE)",
        "## 1. Load the data",
        "data = list(range(10))",
        "data[:3]",
        "## Train & test",
        "model = [scaled(x * rate) for x in data] * rounds",
        "### A closer look",
        "len(model)",
    )
    assert tags(made) == [
        (1, "imports"),
        (2, "pipeline-parameters"),
        (3, "functions"),
        (4, "step:load_the_data"),
        (6, "step:train_test"),
    ]
    assert steps(made) == {"load_the_data": (4, 5), "train_test": (6, 7)}
    assert steps_of(made.compiled)[1] == NotebookStep(
        name="train_test", task="train-test", cells=(6, 7), takes={"data": "load_the_data"}, gives=("report",),
        parameters=("rate", "rounds"), files=(), after=(),
    )  # fmt: skip


def test_only_tags_are_written_and_every_other_byte_stays(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    made = document("# A", "x = int()  # ö \\u00e9 'quoted' \"twice\"", "# B", "print(x)", colours=[1e5, 1.50])
    made["cells"][1]["metadata"] = {"collapsed": True}
    made["cells"][3]["metadata"] = {"tags": ["hide-input"]}
    for indent, blank in ((1, "\n"), (2, "\r\n"), (None, "")):
        text = json.dumps(made, indent=indent, ensure_ascii=indent == 2).replace("\n", blank or "\n") + blank
        path.write_bytes(text.encode())
        after = split_notebook(path).data.decode()
        again = json.loads(after)
        assert again["cells"][1]["metadata"] == {"collapsed": True, "tags": ["step:a"]}
        assert again["cells"][3]["metadata"] == {"tags": ["hide-input", "step:b"]}
        del again["cells"][1]["metadata"]["tags"]
        again["cells"][3]["metadata"]["tags"] = ["hide-input"]
        assert again == made
        left = after.replace('"step:a"', "").replace('"step:b"', "")
        assert [c for c in left if not c.isspace() and c not in ',"tags[]:'] == [
            c for c in text if not c.isspace() and c not in ',"tags[]:'
        ]


def test_the_new_lines_stand_as_jupyter_writes_them(tmp_path: Path) -> None:
    made = split(tmp_path, "# A", "x = 1", "# B", "print(x)")
    assert made.data.decode() == json.dumps(json.loads(made.data), indent=1, ensure_ascii=False) + "\n"


def test_the_current_figure_of_matplotlib_stays_in_one_step(tmp_path: Path) -> None:
    apart = split(tmp_path, FIGURE, "# A", "plt.plot([1])\nplt.show()", "# B", "plt.plot([2])\nplt.show()")
    assert steps(apart) == {"a": (2,), "b": (3,)}
    made = split(tmp_path, FIGURE, "# A", "plt.plot([1])", "# B", "plt.title('t')\nplt.show()", "# C", "3")
    assert steps(made) == {"a": (2, 3), "c": (4,)}
    assert "current" in made.bonds[0].reason
    live = split(tmp_path, f"%matplotlib widget\n{FIGURE}", "# A", "plt.plot([1])", "# B", "plt.plot([2])")
    assert steps(live) == {"a": (2, 3)}


def test_a_figure_and_axes_that_are_drawn_on_later_stay_in_one_step(tmp_path: Path) -> None:
    made = split(tmp_path, FIGURE, "# A", "figure, axes = plt.subplots()", "# B", "4", "# C", "axes.plot([1])")
    assert steps(made) == {"a": (2, 3, 4)}
    assert made.compiled.warnings == ()


def test_open_handles_stay_with_the_cells_that_use_them(tmp_path: Path) -> None:
    made = split(tmp_path, "# A", "source = open('x')", "# B", "text = source.read()", "# C", "print(text)")
    assert steps(made) == {"a": (1, 2), "c": (3,)}
    lazy = split(tmp_path, "# A", "squares = (x * x for x in range(3))", "# B", "print(sum(squares))")
    assert steps(lazy) == {"a": (1, 2)}


def test_cells_that_cannot_be_looked_into_stay_with_what_they_may_touch(tmp_path: Path) -> None:
    shell = split(
        tmp_path, "# A", "x = int()", "# Fetch", "!curl -O https://x.org/some.csv", "# B", "y = x", "# C",
        "open('some.csv')", "# D", "z = y",
    )  # fmt: skip
    assert steps(shell) == {"a": (1,), "fetch": (2, 3, 4), "d": (5,)}
    looking = split(tmp_path, "# A", "x = int()", "# Look", "!ls -l", "# B", "y = x")
    assert steps(looking) == {"a": (1,), "look": (2,), "b": (3,)}
    quiet = split(tmp_path, "# A", "x = int()", "# Get", "%pip install numpy", "# B", "y = x")
    assert tags(quiet) == [(1, "step:a"), (2, "imports"), (3, "step:b")]
    unseen = split(tmp_path, "# A", "x = int()", "# B", "y = eval('x + 1')", "# C", "print(y)")
    assert steps(unseen) == {"a": (1, 2, 3)}
    assert "eval" in unseen.bonds[0].reason


def test_one_object_under_two_names_stays_in_one_step(tmp_path: Path) -> None:
    seen = split(tmp_path, "# A", "a = [1]\nb = a", "# B", "b.append(2)", "# C", "print(a)")
    assert steps(seen) == {"a": (1,), "b": (2,), "c": (3,)}  # the analysis follows it
    torn = split(tmp_path, "# A", "a = [[1]]\nb = a[0]", "# B", "b.append(2)", "# C", "print(a)")
    assert steps(torn) == {"a": (1, 2), "c": (3,)}
    assert torn.compiled.warnings == ()


def test_an_import_or_a_function_that_another_cell_binds_again_is_left_in_its_step(tmp_path: Path) -> None:
    made = split(tmp_path, "# A", "e = 5", "# B", "from math import e", "# C", "print(e)")
    assert "imports" not in dict(tags(made)).values()
    twice = split(tmp_path, "# A", "def f():\n    return 1", "x = f()", "# B", "def f():\n    return 2", "y = f()")
    assert steps(twice) == {"a": (1, 2), "b": (3, 4)}
    memory = split(tmp_path, "# A", "def f(seen=[]):\n    seen.append(1)\n    return seen", "# B", "f()", "# C", "f()")
    assert "functions" not in dict(tags(memory)).values()


def test_a_function_that_needs_a_step_to_be_defined_is_left_in_a_step(tmp_path: Path) -> None:
    made = split(tmp_path, "# A", "x = [1][0]", "# B", "def f(y=x):\n    return y", "# C", "print(f())")
    assert steps(made) == {"a": (1,), "b": (2,), "c": (3,)}


def test_seeding_is_no_import(tmp_path: Path) -> None:
    made = split(tmp_path, "import random\nrandom.seed(1)", "# A", "x = random.random()", "# B", "y = x")
    assert 1 in next(iter(steps(made).values()))


def test_a_setting_below_a_step_is_not_moved_above_it(tmp_path: Path) -> None:
    setting = "import warnings\nwarnings.simplefilter('ignore')"
    assert tags(split(tmp_path, setting, "# A", "x = int()"))[0] == (1, "imports")
    assert steps(split(tmp_path, "# A", "x = int()", "# B", setting, "y = x")) == {"a": (1,), "b": (2, 3)}


def test_without_headings_steps_begin_where_the_work_changes(tmp_path: Path) -> None:
    made = split(
        tmp_path,
        "import pandas as pd\nfrom sklearn.linear_model import Ridge",
        "df = pd.read_csv('x.csv')",
        "df.head()",
        "df = df.dropna()",
        "X, y = df[['a']], df['b']",
        "model = Ridge().fit(X, y)",
        "model",
        "score = model.score(X, y)",
    )
    assert steps(made) == {"load": (2, 3), "prepare": (4, 5), "train": (6, 7), "evaluate": (8,)}


def test_headings_of_one_name_and_without_latin_letters_get_names(tmp_path: Path) -> None:
    made = split(tmp_path, "# Été", "x = int()", "# Été", "y = x", "# 训练", "z = y")
    assert list(steps(made)) == ["ete", "ete_2", "prepare"]


def test_tags_for_parameters_metrics_and_left_out_cells_are_kept(tmp_path: Path) -> None:
    cells = [("parameters", "n = 1"), ("skip", "1 / 0"), ("", "import json"), ("", "df = json.loads('1')"),
             ("pipeline-metrics", "print(df)")]  # fmt: skip
    made = split_notebook(write_notebook(tmp_path, cells))
    assert tags(made) == [(3, "imports"), (4, "step:prepare")]
    assert steps(made) == {"prepare": (4, 5)}


def test_a_notebook_that_has_tags_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"n.ipynb, cell 2: has tags already: step:b") as refused:
        split_notebook(write_notebook(tmp_path, [("", "x = 1"), ("step:b", "y = x")]))
    assert "notebook show" in str(refused.value.remedy)


def test_a_script_is_refused_with_the_way_to_tag_it(tmp_path: Path) -> None:
    (tmp_path / "n.py").write_text("# %%\nx = 1\n")
    with pytest.raises(InvalidInput, match=r"only an \.ipynb"):
        split_notebook(tmp_path / "n.py")


def test_what_is_wrong_with_the_notebook_itself_is_said_as_always(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cell 2, line 1.*undefned") as refused:
        split(tmp_path, "# A", "undefined_before = 1", "# B", "print(undefned_before)")
    assert "undefined_before" in str(refused.value)


def test_an_untagged_notebook_names_the_command(tmp_path: Path) -> None:
    made = compile_notebook(write_notebook(tmp_path, [("", "x = 1")], name="my own.ipynb"), requirements=())
    assert any("tidemill notebook split 'my own.ipynb'" in str(note) for note in made.notes)
    (tmp_path / "n.py").write_text("# %%\nx = 1\n")
    assert "step:NAME" in str(compile_notebook(tmp_path / "n.py", requirements=()).notes[0])


def test_a_step_that_waits_without_taking_a_variable_says_so(tmp_path: Path) -> None:
    path = write_notebook(tmp_path, [("step:a", "x = 1"), ("step:b prev:a", "y = 2")])
    shown = steps_of(compile_notebook(path, requirements=()))
    assert [(step.after, step.takes) for step in shown] == [((), {}), (("a",), {})]


def test_a_text_that_names_the_notebooks_own_folder_is_no_data_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split(tmp_path, "parts = 'a.b'.split('.')")
    monkeypatch.chdir(tmp_path)
    assert steps_of(split_notebook(Path("n.ipynb")).compiled)

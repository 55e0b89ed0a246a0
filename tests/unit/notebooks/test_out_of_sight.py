"""Effects that later steps cannot repeat are warned of with cell and line, those that are taken back are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.notebooks.notebook_text import compiled, inputs, program

WARNED = {
    "import warnings\nif True:\n    warnings.simplefilter('ignore')": (3, "inside a block"),
    "import pandas as pd\ndef opts():\n    pd.set_option('a', 1)\ndef more():\n    opts()\nmore()": (6, "`more` makes"),
    "import os\nenv = os.environ\nenv['A'] = '1'": (3, "`env`, a part of a module"),
    "import logging\nlog = logging.getLogger('a')\nlog.setLevel(10)": (3, "logger `log`"),
    "import sys\nfor p in ['a']:\n    sys.path.extend([p])": (3, "inside a block"),
}
FINE = [
    "import warnings\nwith warnings.catch_warnings():\n    warnings.simplefilter('ignore')",
    "import pandas as pd\ndef f():\n    with pd.option_context('a', 1):\n        pd.set_option('a', 2)\nf()",
    "import pandas as pd\ndef opts():\n    pd.set_option('a', 1)",
    "import math\nn = math.pi\nn += 1",
    "import os\nhome = os.environ\nprint(home['A'])",
    "import logging\nlog = logging.getLogger('a')\nlog.info('x')",
]


@pytest.mark.parametrize("code", WARNED)
def test_settings_out_of_sight_are_warned_of_with_the_steps_that_miss_them(code: str, tmp_path: Path) -> None:
    line, what = WARNED[code]
    (warning,) = compiled(tmp_path, ("step:a", code), ("step:b prev:a", "1")).warnings
    assert warning.place == f"n.ipynb, cell 1, line {line}"
    assert what in warning.message
    assert "b (cell 2)" in warning.message
    assert compiled(tmp_path, ("step:a", code)).warnings == ()


@pytest.mark.parametrize("code", FINE)
def test_what_is_taken_back_or_only_read_is_not_warned_of(code: str, tmp_path: Path) -> None:
    assert compiled(tmp_path, ("step:a", code), ("step:b prev:a", "1")).warnings == ()


def test_the_logger_and_the_context_of_the_process_are_settings(tmp_path: Path) -> None:
    code = "import decimal, logging\nlogging.getLogger('a').setLevel(10)\ndecimal.getcontext().prec = 4"
    made = compiled(tmp_path, ("step:a", code), ("step:b prev:a", "1"))
    assert len(program(made, "b")["settings"]) == 2
    assert made.warnings == ()


def test_a_cache_that_is_empty_in_another_step_is_warned_of_when_it_shows(tmp_path: Path) -> None:
    cached = "import functools\ncalls = []\n@functools.cache\ndef f(x):\n    {}\n    return x"
    cells = [("step:b prev:a", "f(1)"), ("step:c prev:b", "\nf(1)"), ("step:d prev:c", "calls")]
    made = compiled(tmp_path, ("step:a", cached.format("calls.append(x)")), *cells)
    assert [warning.place for warning in made.warnings] == ["n.ipynb, cell 3, line 2"]
    assert "`calls`" in made.warnings[0].message
    assert compiled(tmp_path, ("step:a", cached.format("pass")), *cells).warnings == ()


def test_reading_an_object_that_changes_by_it_makes_a_version_and_reading_another_does_not(tmp_path: Path) -> None:
    kind = "class A:\n    {}\n    def v(self):\n        {}\na = A()"
    for decorator, body, producer in (
        ("@functools.cached_property", "return 1", "b"),
        ("@property", "self.n = 1", "b"),
        ("@property", "return 1", "a"),
        ("@functools.wraps", "self.n = 1", "a"),
    ):
        made = compiled(
            tmp_path,
            ("imports", "import functools"),
            ("step:a", kind.format(decorator, body)),
            ("step:b prev:a", "a.v"),
            ("step:c prev:b", "a.w"),
        )
        assert inputs(made, "c")["a"] == producer, decorator


def test_the_program_says_what_later_steps_rely_on(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("functions", "settled = {}\ndef f():\n    return settled"),
        ("step:a", "x, y = [], []"),
        ("step:b prev:a", "h = wrap(x)"),
        ("functions", "def wrap(value):\n    return value"),
        ("step:c prev:b", "\nx.append(1)"),
        ("step:d prev:c", "print(h, x, y, f())"),
    )
    found = program(made, "b")
    assert found["inputs"] == {"x": "a"}
    assert (found["watched"], found["later"], found["kept"]) == (["x"], ["x@a", "y@a"], ["f", "settled"])
    assert found["changes"] == {"x@a": {"step": "c", "cell": 5, "line": 2, "sure": True, "stale": ["h"]}}
    assert not {"later", "kept", "changes"} & set(program(made, "d"))

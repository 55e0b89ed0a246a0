"""The line of every key."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.project.toml_lines import key_lines

TEXT = '''\
# a comment with [brackets] and "quotes
title = "a # no comment"

[project]   # behind
name = 'fuel'
"a b".c = 1
text = """
[not.a.table]
key = 1 \\"""
"""
after = [
  1, # ]
  "]",
  { x = 1 },
]
inline = { deep = { er = 1 } }

[tuning.space."α"]
low = 1
[[list]]
x = 1
[[list]]
x = 2
literal = \'\'\'
a = 1\'\'\'
last = 1'''


def test_every_key_and_table_is_at_its_line() -> None:
    assert tomllib.loads(TEXT)["project"]["after"][1] == "]"
    lines = key_lines(TEXT)
    assert lines[("title",)] == 2
    assert lines[("project",)] == 4
    assert lines[("project", "name")] == 5
    assert lines[("project", "a b", "c")] == 6
    assert lines[("project", "text")] == 7
    assert lines[("project", "after")] == 11
    assert lines[("project", "inline")] == 16
    assert lines[("tuning", "space", "α", "low")] == 19
    assert lines[("list", 0, "x")] == 21
    assert lines[("list", 1, "x")] == 23
    assert lines[("list", 1, "last")] == 26
    assert ("not",) not in lines


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found.extend(paths(item, (*path, key)))
    return found


scalars = st.integers() | st.booleans() | st.text(max_size=12) | st.lists(st.text(max_size=5), max_size=3)
tables = st.dictionaries(st.text(min_size=1, max_size=6), scalars, max_size=4)


@given(st.dictionaries(st.text(min_size=1, max_size=6), tables, max_size=4))
@settings(deadline=None)
def test_whatever_is_written_every_key_has_a_line(value: dict[str, Any]) -> None:
    import tomlkit

    text = tomlkit.dumps(value)
    lines = key_lines(text)
    assert {path for path in paths(tomllib.loads(text)) if path not in lines} == set()


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "a = 1"])
def test_small_files(text: str) -> None:
    assert len(key_lines(text)) == len(tomllib.loads(text))

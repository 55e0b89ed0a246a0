from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.locks.shell import split_commands


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a b", [["a", "b"]]),
        ("  a   'b c'\n", [["a", "b c"]]),
        ("a && b", [["a"], ["b"]]),
        ("a&&b", [["a"], ["b"]]),
        ("a &&\n  b", [["a"], ["b"]]),
        ("a\n && b", [["a"], ["b"]]),
        ("'a'\"b\"c", [["abc"]]),
        ("'$x' \"it's\"", [["$x", "it's"]]),
        ("''", [[""]]),
        ("a=1 b", [["a=1", "b"]]),
        ("a\u00a0b", [["a\u00a0b"]]),  # only blanks and line ends part words
    ],
)
def test_quoted_words_joined_by_and_are_read(text: str, commands: list[list[str]]) -> None:
    assert split_commands(text) == commands


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "a &&",
            "&& a",
            "a && && b",
            "a\nb",
            "a & b",
            "a; b",
            "a | b",
            "a > b",
            "$a",
            '"$a"',
            "`a`",
            "a*",
            "~",
        ),
        *("'a", '"a', "a \\\n b", "(a)", "{a,b}", "!a", "a # b", '"`a`"', '"a\\"b"', "a &&& b"),
    ],
)
def test_what_needs_a_real_shell_is_not_read(text: str) -> None:
    assert split_commands(text) is None


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00")), min_size=1, max_size=5))
def test_words_that_were_quoted_come_back(words: list[str]) -> None:
    single = [word for word in words if "'" not in word] or ["x"]
    assert split_commands(" ".join(f"'{word}'" for word in single)) == [single]


@given(st.text("ab '\"&$\\;\n", max_size=12))
def test_what_is_read_is_what_a_shell_would_read(text: str) -> None:
    commands = split_commands(text)
    if commands is not None and len(commands) == 1:
        assert shlex.split(text) == commands[0]

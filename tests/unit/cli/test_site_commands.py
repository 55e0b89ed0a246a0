"""Settings explained in lines that fit, and a token that is typed, given or sent through a pipe."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.base.settings import SETTINGS
from tidemill.cli.app import build
from tidemill.cli.connection import Connection
from tidemill.platform import Platform


def _tidemill(*words: str) -> None:
    build()(list(words), prog_name="tidemill", standalone_mode=False)


def test_each_setting_is_explained_below_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    _tidemill("config", "--explain")
    lines = capsys.readouterr().out.splitlines()
    for setting in SETTINGS:
        assert any(line.startswith(f"{setting.name} = ") for line in lines), setting.name
    assert "    A PostgreSQL database; empty: SQLite in the home." in lines
    assert all(len(line) <= 80 for line in lines)
    assert len(lines) < 3 * len(SETTINGS)


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site elsewhere that knows every token."""
    monkeypatch.setattr(Connection, "get", lambda *_: {"person": "ada"})


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(
    ("words", "piped", "kept"), [([], "tm_piped\n", "tm_piped"), (["--token", "tm_given"], "", "tm_given")]
)
def test_a_token_is_given_or_read_from_a_pipe(
    words: list[str], piped: str, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(piped))
    _tidemill("login", "http://tidemill.example.org", *words)
    assert Platform(home=Path(os.environ["TIDEMILL_HOME"])).settings.text("token") == kept


@pytest.mark.usefixtures("somebody")
def test_without_a_token_there_is_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(InvalidInput, match="no token") as caught:
        _tidemill("login", "http://tidemill.example.org")
    assert caught.value.remedy


@pytest.mark.usefixtures("somebody")
def test_at_a_terminal_the_token_is_asked_for_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)

    def prompt(_text: str, **how: Any) -> str:
        asked.append(how)
        return "tm_typed"

    monkeypatch.setattr("typer.prompt", prompt)
    _tidemill("login", "http://tidemill.example.org")
    assert asked == [{"hide_input": True}]
    assert Platform(home=Path(os.environ["TIDEMILL_HOME"])).settings.text("token") == "tm_typed"

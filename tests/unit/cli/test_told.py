"""Advice is given once, and again when it is other advice."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tidemill.base.home import open_home
from tidemill.cli.run_commands import say_remarks
from tidemill.cli.told import FILE_NAME, MAX_FILES, is_news
from tidemill.notebooks import Remark


def test_advice_is_news_when_it_changed(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    file, other = tmp_path / "a.ipynb", tmp_path / "b.ipynb"
    assert [is_news(home, file, advice) for advice in ([], ["x"], ["x"], ["y", "x"], ["x", "y"], [], ["x"])] == [
        False, True, False, True, False, False, True
    ]  # fmt: skip
    assert is_news(home, other, ["x"])
    assert not is_news(home, file, ["x"])


def test_a_record_that_cannot_be_used_is_no_trouble(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    record = home.telemetry / FILE_NAME
    for text in ("{", "[]", '{"a": 1}'):
        record.write_text(text)
        assert is_news(home, tmp_path / "a.ipynb", ["x"])
    record.unlink()
    record.mkdir()
    assert is_news(home, tmp_path / "a.ipynb", ["x"])
    assert is_news(home, tmp_path / "a.ipynb", ["x"])
    assert [path.name for path in home.telemetry.iterdir()] == [FILE_NAME]


def test_the_record_stays_small(tmp_path: Path) -> None:
    home = open_home(tmp_path / "home")
    for number in range(MAX_FILES + 1):
        assert is_news(home, tmp_path / f"{number}.ipynb", ["x"])
    assert not is_news(home, tmp_path / "1.ipynb", ["x"])
    assert is_news(home, tmp_path / "0.ipynb", ["x"])


def test_a_run_gives_advice_once_and_other_warnings_each_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = open_home(tmp_path / "home")
    remarks = (Remark(message="pin it", place="n.ipynb", is_advice=True), Remark(message="differs", place="n.ipynb"))
    prepared: Any = SimpleNamespace(
        notebook=SimpleNamespace(warnings=remarks),
        folder=tmp_path,
        origin={"file": "n.ipynb"},
        warnings=tuple(map(str, remarks)),
        notes=(),
    )
    context: Any = SimpleNamespace(platform=SimpleNamespace(home=home))
    say_remarks(context, prepared)
    assert capsys.readouterr().err.splitlines() == ["warning: n.ipynb: pin it", "warning: n.ipynb: differs"]
    say_remarks(context, prepared)
    assert capsys.readouterr().err.splitlines() == ["warning: n.ipynb: differs"]

"""A process of its own: what it is given, and what becomes of one that dies, hangs or takes too much."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tidemill.base import apart
from tidemill.base.apart import run_apart
from tidemill.base.errors import Unavailable

CASES = {
    "asks.py": "import json, os, sys\njson.dump([json.load(sys.stdin), sorted(os.environ)], sys.stdout)",
    "fails.py": "raise KeyError('search')",
    "killed.py": "import os\nos.kill(os.getpid(), 9)",
    "hangs.py": "import time\ntime.sleep(3600)",
    "hungry.py": "print(len(bytearray(1 << 33)))",
    "talks.py": "print('here you are: {}')",
    "silent.py": "raise SystemExit(3)",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that can be run, and what a server has in its environment."""
    for name, text in CASES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("TIDEMILL_TOKEN", "secret")
    monkeypatch.setenv("TIDEMILL_HOME", "/home/of/a/key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_it_gets_the_question_and_nothing_that_opens_doors() -> None:
    asked, names = run_apart("asks", {"question": 1}, what="not done")
    assert asked == {"question": 1}
    assert {"PATH", "OMP_NUM_THREADS"} <= set(names)
    assert not [name for name in names if name.startswith(("TIDEMILL", "AWS"))]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("nothing", "No module named nothing"),
        ("fails", "KeyError: 'search'"),
        ("killed", "ended by SIGKILL"),
        ("hungry", "ran out of memory"),
        ("talks", "did not answer in JSON"),
        ("silent", "ended with 3"),
    ],
)
def test_one_that_fails_is_told_with_its_last_words(module: str, said: str) -> None:
    with pytest.raises(Unavailable, match=f"not done: .*{said}"):
        run_apart(module, {}, what="not done", memory_bytes=1 << 30)


def test_one_that_hangs_is_ended() -> None:
    with pytest.raises(Unavailable, match=r"not done: it took more than 0\.3 s"):
        run_apart("hangs", {}, what="not done", seconds=0.3)


def test_no_more_than_a_few_go_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "PATIENCE_SECONDS", 0.01)
    begun, may_end = threading.Barrier(apart.AT_ONCE + 1), threading.Event()

    def runs(*_: Any) -> int:
        begun.wait(60)
        may_end.wait(60)
        return 7

    monkeypatch.setattr(apart, "_run", runs)
    answers: list[int] = []

    def ask() -> None:
        answers.append(run_apart("m", {}, what="not done"))

    threads = [threading.Thread(target=ask) for _ in range(apart.AT_ONCE)]
    for thread in threads:
        thread.start()
    begun.wait(60)
    with pytest.raises(Unavailable, match="not done: too many"):
        run_apart("m", {}, what="not done")
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert answers == [7] * apart.AT_ONCE
    monkeypatch.setattr(apart, "_run", lambda *_: 8)
    assert run_apart("m", {}, what="not done") == 8, "there is room again"

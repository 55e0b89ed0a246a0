"""Programs run in fresh processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import RunFailed
from tidemill.base.site import Site
from tidemill.locks import Venv, fresh_process, run_module, runtime_path

PROBE = '''
"""A program that does what its request says."""
import json, os, signal, subprocess, sys, time
request = json.load(sys.stdin)
print("hello from the probe", flush=True)
what = request["what"]
if what == "report":
    answer = {"environment": dict(os.environ), "cwd": os.listdir("."), "path": sys.path, "text": request["text"]}
elif what == "fail":
    print("the reason", file=sys.stderr)
    sys.exit(3)
elif what == "die":
    os.kill(os.getpid(), signal.SIGSEGV)
elif what == "silent":
    sys.exit(0)
elif what in ("hang", "stubborn"):
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"])
    open(request["pids"], "w").write(f"{os.getpid()} {child.pid}")
    time.sleep(600)
elif what == "leave":
    child = subprocess.Popen(["sleep", "600"])
    answer = {"child": child.pid}
with open(sys.argv[1], "w") as file:
    file.write(request["raw"] if what == "raw" else json.dumps(answer))
'''


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    """This test's own Python, with a probe where the runtime would be."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (runtime / "probe.py").write_text(PROBE)
    return Venv(path=Path(sys.prefix), python=Path(sys.executable), lock_digest="sha256:0", runtime=runtime)


def _ask(venv: Venv, tmp_path: Path, *, timeout_seconds: float = 30, **request: Any) -> dict[str, Any]:
    return run_module(venv, "probe", request, timeout_seconds=timeout_seconds, log=tmp_path / "logs" / "probe.log")


def test_the_request_goes_in_and_the_reply_comes_out(venv: Venv, tmp_path: Path) -> None:
    answer = _ask(venv, tmp_path, what="report", text="größe\n" * 100_000)
    assert answer["text"] == "größe\n" * 100_000
    assert (tmp_path / "logs" / "probe.log").read_text() == "hello from the probe\n"


def test_the_environment_and_the_folder_are_clean(venv: Venv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/leak")
    monkeypatch.setenv("PYTHONSTARTUP", "/leak")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    answer = _ask(venv, tmp_path, what="report", text="")
    environment = answer["environment"]
    assert environment["PYTHONPATH"] == str(venv.runtime)
    assert (environment["MPLBACKEND"], environment["OMP_NUM_THREADS"]) == ("Agg", "1")
    assert not {"PYTHONSTARTUP", "AWS_SECRET_ACCESS_KEY"} & set(environment)
    assert answer["cwd"] == []


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"what": "fail"}, "ended with status 3:\nhello from the probe\nthe reason"),
        ({"what": "die"}, "was ended by SIGSEGV"),
        ({"what": "silent"}, "ended without a reply"),
        ({"what": "raw", "raw": "{"}, "wrote a reply that is not JSON"),
        ({"what": "raw", "raw": "[1]"}, "wrote a reply that is not an object"),
    ],
)
def test_a_failure_says_how_it_ended_with_the_last_lines(
    venv: Venv, tmp_path: Path, request_: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunFailed) as caught:
        _ask(venv, tmp_path, **request_)
    assert message in caught.value.message
    assert caught.value.place == str(tmp_path / "logs" / "probe.log")


@pytest.mark.parametrize("what", ["hang", "stubborn"])
def test_a_late_program_is_ended_with_its_children(
    venv: Venv, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh_process, "GRACE_SECONDS", 0.3)
    pids = tmp_path / "pids"
    with pytest.raises(RunFailed, match=r"took longer than 1\.5 s"):
        _ask(venv, tmp_path, timeout_seconds=1.5, what=what, pids=str(pids))
    for pid in pids.read_text().split():
        _wait_until_gone(int(pid))


def test_a_child_that_is_left_behind_is_ended(venv: Venv, tmp_path: Path) -> None:
    _wait_until_gone(_ask(venv, tmp_path, what="leave")["child"])


def test_the_runtime_is_a_copy_named_by_its_content(site: Site) -> None:
    folder = runtime_path(site)
    assert folder == runtime_path(site)
    files = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    assert files == {"tidemill_runtime"}
    assert not list(folder.rglob("*.pyc"))
    venv = Venv(path=Path(sys.prefix), python=Path(sys.executable), lock_digest="sha256:0", runtime=folder)
    with pytest.raises(RunFailed, match=r"No module named tidemill_runtime\.__main__"):
        run_module(venv, "tidemill_runtime", {}, timeout_seconds=30, log=site.home.logs / "log")


def test_a_request_that_is_no_json_is_the_callers_mistake(venv: Venv, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        _ask(venv, tmp_path, what=object())


def _wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}"):
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return  # dead, and its adoptive parent has not looked yet
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.02)

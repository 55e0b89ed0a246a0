"""Bad input at the command line, without a site: one clear message each, the right exit status, nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.command_line import CommandLine, until
from tests.acceptance.refusals import refused, states, write_notebook

from tidemill.base.home import file_system_of

GOOD = (
    ("pipeline-parameters", "alpha: float = 1.0\ncount: int = 2"),
    ("step:one", "first = count * alpha"),
    ("step:two prev:one", "second = first + 1"),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """One home and one folder with a good notebook, for commands that are refused before they change anything."""
    folder = tmp_path_factory.mktemp("project")
    write_notebook(folder / "good.ipynb", *GOOD)
    return CommandLine(folder=folder, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose database is made and empty."""
    made = CommandLine(folder=tmp_path_factory.mktemp("empty"), home=tmp_path_factory.mktemp("new") / "home")
    made("runs", "list")
    return made.home


@pytest.fixture
def unmade(tmp_path: Path) -> CommandLine:
    """A folder of the test's own, and a home that is not made yet."""
    folder = tmp_path / "project"
    folder.mkdir()
    return CommandLine(folder=folder, home=tmp_path / "home")


@pytest.fixture
def own(unmade: CommandLine, new_home: Path) -> CommandLine:
    """A home and a folder of the test's own."""
    shutil.copytree(new_home, unmade.home)
    return unmade


@pytest.fixture
def small_disk(unmade: CommandLine) -> Iterator[CommandLine]:
    """A home on a disk of 3 MB."""
    disk = unmade.home.with_name("disk")
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    unmade.home = disk / "home"
    unmade.home.mkdir()
    (unmade.home / "settings.toml").write_text("free_space_floor_bytes = 0\n")
    yield unmade
    subprocess.run(["umount", str(disk)], check=True)


# --- notebooks


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (
            [("step:one", "first = 1"), ("step:two prev:one", "second = first + secnd")],
            "bad.ipynb, cell 2, line 1: the name `secnd` is not defined",
        ),
        (
            [("step:one prev:two", "first = 1"), ("step:two prev:one", "second = first")],
            "these steps wait for each other: one (cell 1), two (cell 2)",
        ),
        ([("step:one", "first = 1"), ("step:two prev:onne", "second = first")], "did you mean prev:one?"),
        ([("step:one", "first = (1")], "bad.ipynb, cell 1, line 1: '(' was never closed"),
        ([], "has no cell that runs in a step"),
    ],
    ids=["undefined name", "cycle", "unknown step", "no Python", "no cells"],
)
def test_a_notebook_that_cannot_be_a_pipeline_is_refused_with_cell_and_line(
    shared: CommandLine, cells: list[tuple[str, str]], says: str
) -> None:
    write_notebook(shared.folder / "bad.ipynb", *cells)
    refused(shared, "run", "bad.ipynb", status=2, says=says)


def test_a_cell_that_raises_is_named_with_its_line_and_the_steps_before_it_are_kept(own: CommandLine) -> None:
    raising = ("step:two prev:one", 'second = first + 1\nthird = {}["horse power"]')
    write_notebook(own.folder / "bad.ipynb", *GOOD[:2], raising, ("step:three prev:two", "fourth = third"))
    told = refused(own, "run", "bad.ipynb", status=1, says="bad.ipynb, cell 3, line 2: KeyError: 'horse power'")
    assert "tidemill runs logs" in told
    (run,) = own.json("runs", "list")
    assert "KeyError" in own("runs", "logs", run["id"], "two")
    write_notebook(own.folder / "bad.ipynb", *GOOD)
    outcome = own.json("run", "bad.ipynb")
    assert [(each["name"], each["cached"]) for each in outcome["tasks"]] == [("one", True), ("two", False)]


def test_a_requirement_that_cannot_be_installed_is_named(own: CommandLine) -> None:
    write_notebook(own.folder / "bad.ipynb", ("step:one", "import no_such_package_of_anyone\nfirst = 1"))
    refused(own, "run", "bad.ipynb", status=1, says="no-such-package-of-anyone: cannot be installed")
    assert not [path for path in (own.home / "venvs").glob("*") if path.is_dir()]


# --- files and parameters


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bad.yaml", b"hello: world\n", "is not a PipelineSpec"),
        ("bad.yaml", b"apiVersion: v1\nkind: Pod\n", "is a Kubernetes object (Pod), not a PipelineSpec"),
        ("bad.yaml", b"[1, 2", "bad.yaml:2: not YAML"),
        ("bad.yaml", b"\xff\xfe\x00", "is not UTF-8 at byte 0"),
        ("bad.ipynb", b"", "is empty"),
        ("bad.ipynb", b'{"cells": 1}', "it is not a notebook of format 4"),
        ("bad.txt", b"hello", "is neither a notebook nor a pipeline"),
    ],
)
def test_a_file_that_is_no_pipeline_is_refused(shared: CommandLine, name: str, content: bytes, says: str) -> None:
    (shared.folder / name).write_bytes(content)
    refused(shared, "run", name, status=2, says=says)


def test_a_field_that_no_pipeline_has_is_named_with_its_line_and_the_nearest(shared: CommandLine) -> None:
    shared("compile", "good.ipynb", "--force")
    text = (shared.folder / "good.yaml").read_text()
    (shared.folder / "odd.yaml").write_text(text.replace("dependentTasks", "dependantTasks"))
    refused(shared, "run", "odd.yaml", status=2, says="did you mean 'dependentTasks'?")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-p", "alhpa=2"], "did you mean 'alpha'?"),
        (["-p", "count=2.5"], "parameters.count: should be a whole number"),
        (["-p", "alpha"], "-p: 'alpha' is not NAME=VALUE"),
        (["-p", "alpha=1", "-p", "alpha=2"], "-p: the parameter 'alpha' is given twice"),
        (["-p"], "Option '-p' requires an argument"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(shared: CommandLine, words: list[str], says: str) -> None:
    refused(shared, "run", "good.ipynb", *words, status=2, says=says)


# --- data


def test_declared_data_that_is_missing_is_named_with_its_line(own: CommandLine) -> None:
    write_notebook(own.folder / "reads.ipynb", ("step:one", 'text = open("rows.csv").read()'))
    (own.folder / "tidemill.toml").write_text(
        '[project]\nname = "reads"\nnotebook = "reads.ipynb"\n\n[data.rows]\npath = "rows.csv"\n'
    )
    refused(own, "run", status=3, says="tidemill.toml:6: data.rows.path: there is no rows.csv here")
    (own.folder / "rows.csv").write_text("a,b\n1,2\n")
    assert own.json("run")["state"] == "SUCCEEDED"


def test_versioned_data_that_changed_or_is_gone_stops_a_run_and_comes_back(own: CommandLine) -> None:
    write_notebook(own.folder / "reads.ipynb", ("step:one", 'text = open("rows.csv").read()'))
    data = own.folder / "rows.csv"
    data.write_text("a,b\n1,2\n")
    own("data", "add", "rows.csv", "--git-init")
    data.write_text("a,b\n3,4\n")
    refused(own, "run", "reads.ipynb", status=5, says="differs from its version")
    refused(own, "data", "pull", status=5, says="tidemill data pull --force")
    assert data.read_text() == "a,b\n3,4\n"
    data.unlink()
    refused(own, "run", "reads.ipynb", status=3, says="is not here, only its version → tidemill data pull")
    own("data", "pull")
    assert data.read_text() == "a,b\n1,2\n"
    assert states(own) == []


# --- the home


def test_a_full_disk_stops_a_run_with_its_own_status_and_nothing_is_lost(small_disk: CommandLine) -> None:
    line = small_disk
    write_notebook(line.folder / "good.ipynb", *GOOD)
    write_notebook(line.folder / "reads.ipynb", ("step:one", 'count = len(open("large.csv", "rb").read())'))
    (line.folder / "large.csv").write_bytes(os.urandom(6_000_000))
    line("run", "good.ipynb")
    refused(line, "run", "reads.ipynb", status=7, says="free some space")
    assert not list((line.home / "work").iterdir())
    filler = line.home.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            assert os.statvfs(filler).f_bavail == 0, "the disk is not full"
    refused(line, "run", "good.ipynb", "--no-cache", status=7, says="the disk is full")
    refused(line, "up", "--detach", "--port", "0", "--no-gateway", status=7, says="the disk is full")
    filler.unlink()
    assert states(line) == ["SUCCEEDED"]
    assert line.json("run", "good.ipynb", "--no-cache")["state"] == "SUCCEEDED"


def test_a_disk_with_little_space_takes_no_new_run(small_disk: CommandLine) -> None:
    (small_disk.home / "settings.toml").unlink()
    write_notebook(small_disk.folder / "good.ipynb", *GOOD)
    refused(small_disk, "run", "good.ipynb", status=7, says="are kept free")
    assert states(small_disk) == []


def test_a_value_that_fills_the_disk_is_not_blamed_for_its_type(small_disk: CommandLine) -> None:
    cells = (("step:one", "import os\ndata = os.urandom(6_000_000)"), ("step:two prev:one", "size = len(data)"))
    write_notebook(small_disk.folder / "large.ipynb", *cells)
    told = refused(small_disk, "run", "large.ipynb", status=7, says="`data` of type bytes cannot be stored: No space")
    assert f"no space left on the disk of {small_disk.home}" in told
    assert not list((small_disk.home / "work").iterdir())


def test_a_home_of_a_newer_version_is_left_as_it_is(unmade: CommandLine) -> None:
    unmade.home.mkdir()
    (unmade.home / "home.json").write_text('{"schema_version": 99}')
    refused(unmade, "runs", "list", status=5, says="a newer Tidemill wrote this home (version 99")
    assert [path.name for path in unmade.home.iterdir()] == ["home.json"]
    (unmade.home / "home.json").write_text('{"schema_version": 1}')
    unmade("runs", "list")
    with sqlite3.connect(unmade.home / "state.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    up = ("up", "--detach", "--port", "0", "--no-gateway")
    refused(unmade, *up, status=5, says="a newer Tidemill wrote this database (revision 9999")


def test_a_damaged_database_is_named(unmade: CommandLine) -> None:
    unmade.home.mkdir()
    (unmade.home / "state.db").write_bytes(b"no database" * 1000)
    refused(unmade, "runs", "list", status=6, says="state.db: the database is damaged")
    assert (unmade.home / "state.db").read_bytes() == b"no database" * 1000


def test_a_home_on_a_network_file_system_is_refused_through_a_link_too(unmade: CommandLine) -> None:
    far = unmade.home.with_name("far")
    far.mkdir()
    unmade.home.symlink_to(far / "home")
    # the file system of the temporary folder counts as a network's, for the one command that runs here
    program = (
        "import tidemill.base.home as home; from tidemill.cli import main; "
        f"home.NETWORK_FILE_SYSTEMS = frozenset([{file_system_of(far)!r}]); main()"
    )
    there = CommandLine(folder=unmade.folder, home=unmade.home, program=(sys.executable, "-c", program))
    refused(there, "runs", "list", status=2, says="lies on a network file system")
    assert not list(far.iterdir())


def test_an_address_that_is_not_ours_and_a_port_that_is_none_are_refused(shared: CommandLine) -> None:
    up = ("up", "--detach", "--no-gateway")
    refused(shared, *up, "--port", "0", "--bind", "192.0.2.1", status=2, says="cannot listen on 192.0.2.1")
    refused(shared, *up, "--port", "99999", status=2, says="port must be at most 65535")


# --- newcomers


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["run"], 3, "write a project file: tidemill init"),
        (["init"], 3, "there is no notebook"),
        (["deploy"], 3, "there is no tidemill.toml here or above → tidemill init"),
        (["rnu"], 2, "No such command 'rnu'. Did you mean 'run'?"),
        (["runs", "shwo"], 2, "Did you mean 'show'? → tidemill runs --help"),
        (["run", "--fast"], 2, "No such option: --fast → tidemill run --help"),
        (["predict"], 2, "Missing argument 'service'"),
        (["predict", "fuel", "Year=1976"], 3, "there is no service 'fuel'"),
        (["runs", "show", "nothing"], 3, "there is no run 'nothing'"),
        (["review", "approve", "nothing"], 3, "there is no review 'nothing'"),
        (["lineage", "nothing"], 2, "'nothing' is no prediction id"),
        (["status"], 6, "no site is up"),
        (["run", "none.ipynb"], 3, "none.ipynb: there is no such file"),
        (["data", "status"], 2, "is not in a git repository"),
        (["backup", "create", "/no/such/folder/b.tar.gz"], 2, "the backup was not written"),
    ],
)
def test_a_first_step_that_goes_wrong_says_the_next_one(
    shared: CommandLine, tmp_path: Path, words: list[str], status: int, says: str
) -> None:
    refused(CommandLine(folder=tmp_path, home=shared.home), *words, status=status, says=says)
    assert not list(tmp_path.iterdir())


def test_errors_are_json_for_programs_too(shared: CommandLine) -> None:
    done = shared.done("run", "good.ipynb", "-p", "alhpa=2", "--json", expect=2)
    assert json.loads(done.stdout.splitlines()[-1])["error"] == "invalid_input"
    assert json.loads(shared.done("run", "--fast", "--json", expect=2).stdout)["remedy"] == "tidemill run --help"


@pytest.mark.parametrize("token", ["tm_wrong", "tm_größer"])
def test_a_wrong_token_is_refused_and_runs_nothing(shared: CommandLine, token: str) -> None:
    before = states(shared)
    refused(shared, "runs", "list", token=token, status=4, says="token")
    refused(shared, "run", "good.ipynb", token=token, status=4, says="token")
    assert states(shared) == before


@pytest.mark.parametrize(("url", "status"), [("http://127.0.0.1:1", 6), ("nonsense", 2)])
def test_an_address_where_no_site_is_gives_one_message(shared: CommandLine, url: str, status: int) -> None:
    there = CommandLine(folder=shared.folder, home=shared.home, variables={"TIDEMILL_URL": url})
    refused(there, "runs", "list", status=status)


def test_ctrl_c_cancels_the_run_in_good_order_and_it_goes_on_later(own: CommandLine) -> None:
    started, go = own.folder / "started", own.folder / "go"
    wait = f"""import pathlib, time
pathlib.Path({str(started)!r}).touch()
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.02)
second = first"""
    write_notebook(own.folder / "slow.ipynb", GOOD[0], GOOD[1], ("step:two prev:one", wait))
    with own.begun("run", "slow.ipynb") as running:
        until(started.exists, "the start of the second step")
        os.killpg(running.pid, signal.SIGINT)  # as a terminal does
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    assert "Traceback" not in err
    assert "go on with: tidemill runs resume" in err
    (run,) = own.json("runs", "list")
    assert run["state"] == "CANCELED"
    assert not list((own.home / "work").iterdir())
    go.touch()
    outcome = own.json("runs", "resume", run["id"])
    assert (outcome["state"], len(outcome["tasks"])) == ("SUCCEEDED", 2)


def test_a_run_whose_process_was_killed_is_taken_over(own: CommandLine) -> None:
    started, go = own.folder / "started", own.folder / "go"
    wait = f"""import pathlib, time
pathlib.Path({str(started)!r}).touch()
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.02)
first = 1"""
    write_notebook(own.folder / "slow.ipynb", ("step:one", wait))
    with own.begun("run", "slow.ipynb") as running:
        until(started.exists, "the start of the step")
        running.kill()
        running.wait(timeout=60)
    assert states(own) == ["RUNNING"]
    go.touch()
    assert own.json("runs", "resume", own.json("runs", "list")[0]["id"])["state"] == "SUCCEEDED"


def test_two_runs_at_the_same_time_on_one_new_home_both_succeed(unmade: CommandLine) -> None:
    write_notebook(unmade.folder / "good.ipynb", *GOOD)
    command = ("run", "good.ipynb", "--json")
    with unmade.begun(*command) as first, unmade.begun(*command) as second:
        running = [first, second]
        outcomes = [each.communicate(timeout=120) for each in running]
    assert [each.returncode for each in running] == [0, 0], outcomes
    assert states(unmade) == ["SUCCEEDED", "SUCCEEDED"]

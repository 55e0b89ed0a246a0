from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.locks import Indexes, StepCommand, StepKind, pip_command_requirements

FIXTURES = sorted((Path(__file__).parents[2] / "fixtures" / "kfp_commands").glob("kfp-*.json"))
TYPING = 'typing-extensions<5,>=3.7.4; python_version < "3.9"'
ARGUMENTS = ("--executor_input", "{{$}}", "--function_to_execute", "greet")


def _cases(option: str) -> list[Any]:
    found = [(path.stem.removeprefix("kfp-"), json.loads(path.read_text()).get(option)) for path in FIXTURES]
    return [pytest.param(version, container, id=version) for version, container in found if container]


def _read(container: dict[str, list[str]]) -> StepCommand:
    step = pip_command_requirements(container["command"], container["args"])
    assert step is not None
    assert step.kind is StepKind.KFP
    assert step.argv == ARGUMENTS
    assert step.source is not None
    assert 'return f"it\'s {name} " * times' in step.source
    return step


def _kfp(version: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What kfp of that release asks for on its own behalf: with dependencies (2.0), or alone."""
    own = f"kfp=={version}"
    return ((own,), ()) if version.startswith("2.0.") else ((), (own, TYPING))


def test_there_are_samples_of_several_releases() -> None:
    assert len(FIXTURES) >= 5


@pytest.mark.parametrize(("version", "container"), _cases("plain"))
def test_a_component_without_packages_asks_for_kfp(version: str, container: dict[str, list[str]]) -> None:
    step = _read(container)
    assert (step.requirements.lines, step.requirements.without_dependencies) == _kfp(version)
    assert step.module == ("kfp.components.executor_main" if version.startswith("2.0.") else "kfp.dsl.executor_main")


@pytest.mark.parametrize(("version", "container"), _cases("packages"))
def test_packages_with_markers_and_extras_are_read(version: str, container: dict[str, list[str]]) -> None:
    lines, alone = _kfp(version)
    step = _read(container)
    assert step.requirements.lines == (*lines, "numpy>=1.26", 'pandas[excel]>=2; python_version >= "3.9"')
    assert step.requirements.without_dependencies == alone


@pytest.mark.parametrize(("version", "container"), _cases("indexes"))
def test_the_indexes_of_a_component_are_read(version: str, container: dict[str, list[str]]) -> None:
    urls = ("https://one.example/simple", "http://two.example:8080/simple")
    assert _read(container).requirements.indexes == Indexes(
        index_url=urls[0], extra_index_urls=urls[1:], trusted_hosts=urls
    )


@pytest.mark.parametrize(("version", "container"), _cases("trusted"))
def test_trusted_hosts_are_read(version: str, container: dict[str, list[str]]) -> None:
    assert _read(container).requirements.indexes.trusted_hosts == ("one.example",)


@pytest.mark.parametrize(("version", "container"), _cases("without_kfp"))
def test_a_component_may_leave_kfp_out(version: str, container: dict[str, list[str]]) -> None:
    step = _read(container)
    assert (step.requirements.lines, step.requirements.without_dependencies) == (("numpy",), ())


@pytest.mark.parametrize(("version", "container"), _cases("bare"))
def test_a_component_that_installs_nothing_is_a_kfp_step_too(version: str, container: dict[str, list[str]]) -> None:
    step = _read(container)
    assert (step.requirements.lines, step.requirements.without_dependencies) == ((), ())


@pytest.mark.parametrize(("version", "container"), _cases("venv"))
def test_a_component_with_its_own_venv_is_read(version: str, container: dict[str, list[str]]) -> None:
    step = _read(container)
    assert (step.requirements.lines, step.requirements.without_dependencies) == (("numpy",), _kfp(version)[1])


@pytest.mark.parametrize(("version", "container"), _cases("address"))
def test_a_requirement_by_address_is_a_clear_error(version: str, container: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput, match="names an address"):
        pip_command_requirements(container["command"], container["args"])


OURS = "python3 -m pip install --quiet 'tidemill-runtime==0.1.0' 'pandas==2.2.3' && exec \"$0\" \"$@\""


def test_our_own_step_is_read_and_its_runtime_left_to_the_home() -> None:
    step = pip_command_requirements(
        ["sh", "-c", OURS, "python3", "-m", "tidemill_runtime.step"],
        ["--executor_input", "{{$}}", "--program", '{"a":"it\'s"}'],
        python="3.12",
    )
    assert step is not None
    assert (step.kind, step.module) == (StepKind.RUNTIME, "tidemill_runtime.step")
    assert (step.requirements.lines, step.requirements.python) == (("pandas==2.2.3",), "3.12")
    assert step.argv == ("--executor_input", "{{$}}", "--program", '{"a":"it\'s"}')


def test_our_own_step_without_packages_is_read() -> None:
    step = pip_command_requirements(["python3", "-m", "tidemill_runtime.step"], ["--program", "{}"])
    assert step is not None
    assert (step.kind, step.argv) == (StepKind.RUNTIME, ("--program", "{}"))


def test_any_program_may_install_first() -> None:
    step = pip_command_requirements(["/bin/bash", "-c", 'pip install numpy && "$0" "$@"'], ["python3", "train.py"])
    assert step is not None
    assert (step.kind, step.module, step.source) == (StepKind.PLAIN, None, None)
    assert (step.requirements.lines, step.argv) == (("numpy",), ("python3", "train.py"))


@pytest.mark.parametrize(
    "script",
    [
        'pip install $PACKAGE && "$0" "$@"',
        'pip install "$PACKAGE" && "$0" "$@"',
        'pip install numpy>=2 && "$0" "$@"',  # a shell writes this into the file "=2"
        'pip install numpy; "$0" "$@"',
        'pip install numpy | tee log && "$0" "$@"',
        'pip install `cat list` && "$0" "$@"',
        'pip install -r list.txt && "$0" "$@"',
        'pip install --find-links=/wheels numpy && "$0" "$@"',
        'pip install --index-url && "$0" "$@"',
        'pip install && "$0" "$@"',
        'apt-get install gcc && pip install numpy && "$0" "$@"',
        'pip install numpy\npip install pandas && "$0" "$@"',
        'pip install \'numpy && "$0" "$@"',
        "pip install numpy && echo done",
        "echo hello",
        "",
    ],
)
def test_a_script_that_needs_a_real_shell_is_not_recognised(script: str) -> None:
    assert pip_command_requirements(["sh", "-c", script], ["python3", "train.py"]) is None


@pytest.mark.parametrize("command", [[], ["echo", "hello"], ["python3", "train.py"], ["sh", "-c", "x"]])
def test_a_command_that_installs_nothing_is_not_ours(command: list[str]) -> None:
    assert pip_command_requirements(command, []) is None

"""Recognising container commands that install packages and then run a program.

The forms are those that `kfp` 2.x compiles for lightweight components
(`kfp/dsl/component_factory.py`; samples of several releases stand in tests/fixtures/kfp_commands) and our own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tidemill.locks.combine import combine
from tidemill.locks.model import Indexes, Requirements, StepCommand, StepKind, running_python
from tidemill.locks.shell import split_commands

STEP_MODULE = "tidemill_runtime.step"
_SHELLS = frozenset({"sh", "bash", "dash"})
_SHELL_OPTIONS = frozenset({"-c", "-ec", "-ce"})
_PYTHONS = re.compile(r"python(3(\.\d+)?)?")
_KFP_PROGRAM = re.compile(
    r'program_path=\$\(mktemp -d\) printf "%s" "\$0" > "\$program_path/ephemeral_component\.py"'
    r" (?:_KFP_RUNTIME=true )?python3 -m (?P<module>kfp\.(?:dsl|components)\.executor_main)"
    r' --component_module_path "\$program_path/ephemeral_component\.py" "\$@"'
)
_ENSURE_PIP = re.compile(
    r'\s*if ! \[ -x "\$\(command -v pip\)" \]; then\s+'
    r"python3 -m ensurepip \|\| python3 -m ensurepip --user \|\| apt-get install python3-pip\s+fi\s"
)
_MAKE_VENV = re.compile(
    r"\s+export PIP_DISABLE_PIP_VERSION_CHECK=1\s+tmp=\$\(mktemp -d\)\s+"
    r'python3 -m venv "\$tmp/venv" --system-site-packages\s+\. "\$tmp/venv/bin/activate"\s'
)
_NO_VERSION_CHECK = re.compile(r"\s*PIP_DISABLE_PIP_VERSION_CHECK=1\s")
_THE_REST = re.compile(r'&&\s*(exec\s+)?"\$0"\s+"\$@"\s*\Z')
_IGNORED_OPTIONS = frozenset(
    {
        "--quiet",
        "-q",
        "--no-warn-script-location",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--upgrade",
        "-U",
        "--user",
        "--no-input",
        "--no-color",
        "--root-user-action=ignore",
        "--break-system-packages",
        "--progress-bar=off",
    }
)


@dataclass(slots=True)
class _Installs:
    """What the pip commands of one container command ask for, while they are read."""

    lines: list[str] = field(default_factory=list)
    without_dependencies: list[str] = field(default_factory=list)
    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    trusted_hosts: list[str] = field(default_factory=list)


def pip_command_requirements(
    command: Sequence[str], args: Sequence[str], *, python: str | None = None
) -> StepCommand | None:
    """What a container command installs and runs, or None when the form is not known (then it needs a container).

    `python` is the minor version to lock for, ours when None. Raises `InvalidInput` for a known form whose
    requirement cannot be locked (an address, for example).
    """
    words = [*command, *args]
    installs = _Installs()
    while (script := _script(words)) is not None:
        program = _KFP_PROGRAM.fullmatch(" ".join(script.split()))
        if program is not None:
            return _step(StepKind.KFP, program["module"], words[3:], installs, python)
        if not _read_installs(script, installs):
            return None
        words = words[3:]
    if len(words) >= 3 and _is_python(words[0]) and words[1:3] == ["-m", STEP_MODULE]:
        return _step(StepKind.RUNTIME, STEP_MODULE, words[3:], installs, python)
    if words and words != [*command, *args]:
        return _step(StepKind.PLAIN, None, words, installs, python)
    return None


def _script(words: list[str]) -> str | None:
    """The text that a shell is to run, when the words start one; what follows it is "$0" and "$@"."""
    if len(words) < 4 or words[1] not in _SHELL_OPTIONS or PurePosixPath(words[0]).name not in _SHELLS:
        return None
    return words[2]


def _is_python(word: str) -> bool:
    return bool(_PYTHONS.fullmatch(PurePosixPath(word).name))


def _step(kind: StepKind, module: str | None, argv: list[str], installs: _Installs, python: str | None) -> StepCommand:
    source = argv[0] if kind is StepKind.KFP else None  # the shell's "$0"
    requirements = Requirements(
        lines=tuple(installs.lines),
        without_dependencies=tuple(installs.without_dependencies),
        python=python or running_python(),
        indexes=Indexes(
            index_url=installs.index_url,
            extra_index_urls=tuple(dict.fromkeys(installs.extra_index_urls)),
            trusted_hosts=tuple(dict.fromkeys(installs.trusted_hosts)),
        ),
    )
    return StepCommand(
        requirements=combine(requirements, ()),
        kind=kind,
        module=module,
        source=source,
        argv=tuple(argv if source is None else argv[1:]),
    )


def _read_installs(script: str, installs: _Installs) -> bool:
    """Collect what the script installs; False when it does anything else."""
    ending = _THE_REST.search(script)
    if ending is None:
        return False
    text = _MAKE_VENV.sub(" ", script[: ending.start()], count=1)
    for known in (_ENSURE_PIP, _NO_VERSION_CHECK):
        found = known.match(text)
        text = text[found.end() :] if found else text
    commands = split_commands(text)
    return commands is not None and all(_read_install(words, installs) for words in commands)


def _read_install(words: list[str], installs: _Installs) -> bool:
    if words[:1] == ["PIP_DISABLE_PIP_VERSION_CHECK=1"]:
        words = words[1:]
    if words and _is_python(words[0]) and words[1:4] == ["-m", "pip", "install"]:
        rest = words[4:]
    elif words[:2] in (["pip", "install"], ["pip3", "install"]):
        rest = words[2:]
    else:
        return False
    return _read_arguments(rest, installs)


def _read_arguments(words: list[str], installs: _Installs) -> bool:
    packages: list[str] = []
    waiting = iter(words)
    for word in waiting:
        name, _, value = word.partition("=")
        if name in ("--index-url", "-i", "--extra-index-url", "--trusted-host"):
            value = value or next(waiting, "")
            if not value:
                return False
            _read_index(name, value, installs)
        elif word.startswith("-") and word not in _IGNORED_OPTIONS and word != "--no-deps":
            return False
        elif not word.startswith("-"):
            packages.append(word)
    # pip takes --no-deps for the whole command, wherever it stands
    (installs.without_dependencies if "--no-deps" in words else installs.lines).extend(packages)
    return bool(packages)


def _read_index(name: str, value: str, installs: _Installs) -> None:
    if name == "--extra-index-url":
        installs.extra_index_urls.append(value)
    elif name == "--trusted-host":
        installs.trusted_hosts.append(value)
    else:
        installs.index_url = value

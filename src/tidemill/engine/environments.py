"""The environment of a step: its command taken apart, its lock, its venv, and what to import before the fork."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tidemill.base.site import Site
from tidemill.engine.preload import KFP, RUNTIME, imports_in, imports_of
from tidemill.locks import Requirements, StepCommand, StepKind, ensure_venv, lock, pip_command_requirements
from tidemill.pipelines import Component
from tidemill.pipelines.model import ContainerExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What a step of a component runs in; `command` is None for a program that asked for nothing to be installed.

    `notice` says what differs from a container, or is None.
    """

    python: Path
    runtime: Path
    lock_digest: str | None
    command: StepCommand | None
    preload: tuple[str, ...] = ()
    notice: str | None = None


class Environments(Protocol):
    """Makes environments; `known` is quick, `prepare` may take minutes and is called in a thread."""

    def known(self, component: Component) -> Environment | None:
        """The environment, when it has been prepared in this process."""
        ...

    def prepare(self, component: Component) -> Environment:
        """The environment, made when it is missing; any `TidemillError` when it cannot be."""
        ...


class LockedEnvironments:
    """`Environments` by locks and venvs of the site's home."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[str, Environment] = {}

    def known(self, component: Component) -> Environment | None:
        """See `Environments`."""
        found = self._known.get(component.digest)
        if found is not None and not found.python.exists():
            del self._known[component.digest]
            return None
        return found

    def prepare(self, component: Component) -> Environment:
        """See `Environments`."""
        executor = component.executor
        assert isinstance(executor, ContainerExecutor)
        command = pip_command_requirements(executor.command, executor.args)
        requirements = Requirements() if command is None else command.requirements
        locked = lock(self._site, requirements)
        venv = ensure_venv(self._site, locked)
        made = Environment(
            python=venv.python,
            runtime=venv.runtime,
            lock_digest=venv.lock_digest,
            command=command,
            preload=_preload(command),
            notice=_notice(executor, command, locked.python_version),
        )
        self._known[component.digest] = made
        return made


def _preload(command: StepCommand | None) -> tuple[str, ...]:
    if command is None or command.kind is StepKind.PLAIN:
        return ()
    if command.kind is StepKind.KFP:
        return (*KFP, *imports_of(command.source or ""))
    return _preload_of_program(command)


def _preload_of_program(command: StepCommand) -> tuple[str, ...]:
    """`--program` may come several times: its parts are one JSON text."""
    pairs = zip(command.argv, command.argv[1:], strict=False)
    text = "".join(value for option, value in pairs if option == "--program")
    try:
        return (*RUNTIME, *imports_in(json.loads(text)))
    except ValueError:  # the step itself will say so
        return ()


def _notice(executor: ContainerExecutor, command: StepCommand | None, python_version: str) -> str | None:
    """What differs from a cluster, or None: a Python image of the same version is as good as its venv."""
    image = executor.image
    if command is None or command.kind is StepKind.PLAIN:
        return (
            f"no container was used: a command of the image {image} ran as a process of this machine, "
            "in a private folder"
        )
    is_python = re.fullmatch(r"python:(\d+\.\d+)[\w.-]*", image)
    if is_python is None:
        return f"the image {image} was not used: the step ran in a venv of its own requirements"
    if is_python[1] != python_version:
        return f"the image {image} was not used: the step ran on Python {python_version}"
    return None

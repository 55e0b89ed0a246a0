"""Runs compiled notebooks step by step in forked children, and the same cells in one namespace, as a kernel would."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tidemill.notebooks import CompiledNotebook
from tidemill_runtime.step.main import main


def in_child(work: Callable[[], int], folder: Path, name: str) -> tuple[int, str]:
    """Run `work` in a forked child inside `folder`; gives its exit status and what it printed."""
    output = folder / f"{name}.out"
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.chdir(folder)
            with open(output, "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                status = work()
        finally:
            os._exit(status)
    _, state = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(state), output.read_text()


class StepwiseRun:
    """A compiled notebook run task by task, with KFP's executor input; `printed` is in the order of tasks run."""

    def __init__(self, made: CompiledNotebook, folder: Path, parameters: dict[str, Any] | None = None) -> None:
        self.folder = folder
        self.printed = ""
        self.status: dict[str, int] = {}
        self.artifacts: dict[str, dict[str, Any]] = {}
        self._made = made
        self._values = self._defaults()
        self._values.update(parameters or {})
        waiting = list(made.spec["root"]["dag"]["tasks"])
        order = {task: cells[0] for task, cells in made.source_map.items()}
        waiting.sort(key=lambda task: order.get(task, 0))
        while waiting:
            task = next(t for t in waiting if all(d in self.artifacts for d in self._task(t).get("dependentTasks", [])))
            waiting.remove(task)
            if not self._run(task):
                return

    @property
    def succeeded(self) -> bool:
        """True when every task ended well."""
        return all(status == 0 for status in self.status.values())

    def _task(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self._made.spec["root"]["dag"]["tasks"][task]
        return found

    def _defaults(self) -> dict[str, Any]:
        given = self._made.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return {name: spec["defaultValue"] for name, spec in given.items() if "defaultValue" in spec}

    def _run(self, task: str) -> bool:
        component = self._made.spec["components"][self._task(task)["componentRef"]["name"]]
        executor = self._made.spec["deploymentSpec"]["executors"][component["executorLabel"]]
        bindings = self._task(task).get("inputs", {})
        if "importer" in executor:
            uri = self._values[bindings["parameters"]["uri"]["componentInputParameter"]]
            self.artifacts[task] = {"artifact": {"name": "artifact", "uri": uri, "metadata": {}}}
            return True
        home = self.folder / task
        home.mkdir()
        given = {name: binding["componentInputParameter"] for name, binding in bindings.get("parameters", {}).items()}
        taken = {name: binding["taskOutputArtifact"] for name, binding in bindings.get("artifacts", {}).items()}
        outputs = {
            name: {"artifacts": [{"name": name, "type": spec["artifactType"], "uri": f"{home}/{name}", "metadata": {}}]}
            for name, spec in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        }
        request = {
            "inputs": {
                "parameterValues": {name: self._values[of] for name, of in given.items() if of in self._values},
                "artifacts": {
                    name: {"artifacts": [self.artifacts[of["producerTask"]][of["outputArtifactKey"]]]}
                    for name, of in taken.items()
                },
            },
            "outputs": {"artifacts": outputs, "outputFile": f"{home}/executor_output.json"},
        }
        arguments = [json.dumps(request) if word == "{{$}}" else word for word in executor["container"]["args"]]
        self.status[task], printed = in_child(lambda: main(arguments), home, "log")
        self.printed += printed
        if self.status[task] == 0:
            written = json.loads((home / "executor_output.json").read_text())["artifacts"]
            self.artifacts[task] = {name: written.get(name, listed)["artifacts"][0] for name, listed in outputs.items()}
        return self.status[task] == 0

    def failure(self, task: str) -> dict[str, Any]:
        """The `failure.json` of a task."""
        found: dict[str, Any] = json.loads((self.folder / task / "failure.json").read_text())
        return found


def one_kernel(cells: Sequence[str], folder: Path) -> str:
    """What the cells print when they run one after the other in one namespace."""

    def work() -> int:
        module = types.ModuleType("__main__")
        sys.modules["__main__"] = module
        for number, cell in enumerate(cells, start=1):
            exec(compile(cell, f"cell {number}", "exec", dont_inherit=True), module.__dict__)
        return 0

    status, printed = in_child(work, folder, "kernel")
    assert status == 0, printed
    return printed

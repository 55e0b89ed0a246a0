"""Names in an ejected module: none hides another, and `kfp` makes the tasks' names of those of functions."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidemill.notebooks.ejected_steps import EjectedStep

_KFP_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TAKEN = frozenset({"json", "Optional", "as_json", "NOTEBOOK", "IMAGE", "COMMAND", "MODULES", "BEFORE_EVERY_STEP"}) | {
    "REQUIREMENTS",
    "pipeline",
}


def kfp_name(name: str) -> bool:
    """True for what `kfp` takes as the name of an output or of a pipeline's parameter."""
    return _KFP_NAME.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What is called how: the module's own helpers, and by task the function and its call in the pipeline."""

    dsl: str
    kubernetes: str
    arguments: str
    functions: dict[str, str]
    calls: dict[str, str]

    @classmethod
    def of(cls, spec: dict[str, Any], steps: Iterable[EjectedStep]) -> Names:
        """Names that no argument of a function in the module hides."""
        steps = list(steps)
        used = set(spec["root"].get("inputDefinitions", {}).get("parameters", {}))
        for step in steps:
            used |= {*step.given, *step.taken, *step.outputs}
        used |= _TAKEN | set(dir(builtins)) | set(keyword.kwlist)

        def free(name: str) -> str:
            while name in used:
                name += "_"
            used.add(name)
            return name

        own = {name: free(name) for name in ("dsl", "kubernetes", "arguments")}
        # `kfp` makes the task's name of the function's: underscores become dashes, those at the ends go
        functions = {step.task: free(_identifier(step.task)) for step in steps}
        tasks = spec["root"]["dag"]["tasks"]
        calls = {task: free(_identifier(task) + "_task") for task in tasks}
        return cls(functions=functions, calls=calls, **own)


def _identifier(task: str) -> str:
    name = task.replace("-", "_")
    return f"_{name}" if name[0].isdigit() else name

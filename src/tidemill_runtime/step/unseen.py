"""Changes that the analysis did not see: of an input, of what a function brought along, of what every step makes."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Tuple

from tidemill_runtime.step.codecs.choose import is_unchanged
from tidemill_runtime.step.codecs.contract import Scene
from tidemill_runtime.step.codecs.parts import Fingerprint, fingerprint
from tidemill_runtime.step.problems import VariableError, first_use, judge
from tidemill_runtime.step.program import StepProgram

IMMUTABLE = (int, float, complex, str, bytes, bool, type(None))
_COMPARED_WITH_FILE = ("json", "npy", "parquet")
"""Codecs whose bytes follow from the value, so that nothing has to be remembered of it."""


class Unseen:
    """Remembers how things were when the step began."""

    def __init__(self, program: StepProgram) -> None:
        self._program = program
        self._inputs: Dict[str, Tuple[Any, Mapping[str, Any], Optional[Fingerprint]]] = {}
        self._others: Dict[str, Tuple[Any, Fingerprint, str]] = {}

    def remember_prelude(self, names: Mapping[str, Any], scene: Scene) -> None:
        """What every step makes for itself, and later steps use as it is made."""
        for name in self._program.kept:
            if name in names and not isinstance(names[name], IMMUTABLE):
                where = "which a cell that runs before every step makes"
                self._others[name] = (names[name], fingerprint(names[name], scene), where)

    def remember_brought(self, brought: Mapping[str, Any], scene: Scene) -> None:
        """Globals that came with a function, and that later steps take from elsewhere."""
        elsewhere = {holder.partition("@")[0] for holder in self._program.later}
        for name in sorted(elsewhere & set(brought)):
            where = "which a function brought along"
            self._others[name] = (brought[name], fingerprint(brought[name], scene), where)

    def remember_inputs(self, loaded: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]], scene: Scene) -> None:
        """Inputs that later steps take in the same version."""
        for name in self._program.watched:
            value = loaded.get(name)
            if isinstance(value, IMMUTABLE):
                continue
            by_file = told[name].get("codec") in _COMPARED_WITH_FILE
            self._inputs[name] = (value, told[name], None if by_file else fingerprint(value, scene))

    def check(self, paths: Mapping[str, Optional[str]], scene: Scene) -> None:
        """Raise `VariableError` for the first that has changed."""
        for name, (value, metadata, before) in self._inputs.items():
            path = paths.get(name)
            if before is not None:
                judge(before, fingerprint(value, scene), self._message(name, ""), self._program, name)
            elif path is not None and not is_unchanged(value, path, metadata, scene):
                raise VariableError(self._message(name, ""), first_use(self._program, name))
        outputs = {output.name for output in self._program.outputs}
        for name, (value, before, where) in self._others.items():
            if name not in outputs:
                message = self._message(name, f", {where},")
                judge(before, fingerprint(value, scene), message, self._program, name)

    def _message(self, name: str, where: str) -> str:
        return (
            f"`{name}`{where} was changed in place by the step {self._program.step}, unseen by the analysis; "
            f"tag one of its cells provides:{name}"
        )

"""The variables of a step: loading what it takes, storing what it gives."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from tidemill_runtime.step.codecs import NotCarried, Scene, load_value, save_value
from tidemill_runtime.step.codecs.choose import is_unchanged, type_name
from tidemill_runtime.step.codecs.plain import UNBOUND
from tidemill_runtime.step.program import StepProgram
from tidemill_runtime.step.session import Session
from tidemill_runtime.step.wire import ExecutorInput

_PARAMETER_TYPES: Dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "tuple": tuple}
_IMMUTABLE = (int, float, complex, str, bytes, bool, type(None))


class VariableError(Exception):
    """A variable that cannot be loaded, stored, or was changed unseen."""


class Variables:
    """Moves values between the session and the artifacts of a step."""

    def __init__(self, session: Session, wire: ExecutorInput, program: StepProgram) -> None:
        self._session = session
        self._wire = wire
        self._program = program
        self._shared: Dict[str, int] = {}

    def bind_parameters(self) -> None:
        """Put the parameters of the run into the namespace; one that was left out is None."""
        for name, kind in self._program.parameters.items():
            value = self._wire.parameters.get(self._program.parameter_port(name))
            convert = _PARAMETER_TYPES.get(kind)
            self._session.names[name] = convert(value) if convert is not None and value is not None else value

    def remember_shared(self) -> None:
        """What is there after the prelude is there in every step, so it need not travel."""
        names = self._session.names
        self._shared = {name: id(value) for name, value in names.items() if not name.startswith("__")}

    def _scene(self, known: Tuple[str, ...] = ()) -> Scene:
        names = self._session.names
        same = frozenset(name for name, identity in self._shared.items() if id(names.get(name)) == identity)
        label = f"{self._program.notebook}/{self._program.step}"
        return Scene(main=self._session.main, shared=same, known=frozenset(known), label=label)

    def load(self) -> None:
        """Bind every input, objects with two names as one object."""
        scene = self._scene()
        same: Dict[str, Any] = {}
        for name in self._program.inputs:
            metadata = self._wire.input_metadata(self._program.artifact_port(name))
            identity = metadata.get("identity")
            value = same[identity] if identity in same else self._load_one(name, scene)
            if identity is not None:
                same[identity] = value
            if value is UNBOUND:
                self._session.names.pop(name, None)
            else:
                self._session.names[name] = value
        for name, value in scene.brought.items():
            if name not in self._program.inputs and name not in self._shared:
                self._session.names.setdefault(name, value)

    def _load_one(self, name: str, scene: Scene) -> Any:
        path = self._wire.input_path(self._program.artifact_port(name))
        if path is None:
            raise VariableError(f"the variable `{name}` was not handed to the step {self._program.step}")
        try:
            return load_value(path, self._wire.input_metadata(self._program.artifact_port(name)), scene)
        except NotCarried as problem:
            raise VariableError(f"the variable `{name}` cannot be loaded: {problem}") from problem

    def check_watched(self) -> None:
        """Raise `VariableError` when an input that other steps take too was changed in place unseen."""
        scene = self._scene()
        for name in self._program.watched:
            path = self._wire.input_path(self._program.artifact_port(name))
            value = self._session.names.get(name, UNBOUND)
            if path is None or value is UNBOUND or isinstance(value, _IMMUTABLE):
                continue
            metadata = self._wire.input_metadata(self._program.artifact_port(name))
            if metadata.get("python_type") != type_name(value):
                continue  # bound anew
            if not is_unchanged(value, path, metadata, scene):
                raise VariableError(
                    f"`{name}` was changed in place by the step {self._program.step}, unseen by the analysis; "
                    f"tag one of its cells provides:{name}"
                )

    def store(self) -> None:
        """Write every output; raises `VariableError` naming the variable and its type when one cannot be."""
        names = self._session.names
        identities = self._identities()
        for output in self._program.outputs:
            path = self._wire.output_path(output.name)
            if path is None:
                continue
            value = names.get(output.name, UNBOUND)
            try:
                metadata = save_value(value, path, self._scene(output.known))
            except OSError as problem:
                raise VariableError(
                    f"`{output.name}` of type {type_name(value)} cannot be stored: {problem.strerror or problem}"
                ) from problem
            except NotCarried as problem:
                raise VariableError(
                    f"`{output.name}` of type {type_name(value)} cannot leave the step {self._program.step}: "
                    f"{problem}; make it in the step that uses it, or keep both cells in one step"
                ) from problem
            if output.name in identities:
                metadata["identity"] = identities[output.name]
            self._wire.describe(output.name, {**metadata, "display_name": output.name})

    def _identities(self) -> Dict[str, str]:
        """A mark for outputs that are one object under several names."""
        by_object: Dict[int, List[str]] = {}
        for output in self._program.outputs:
            value = self._session.names.get(output.name, UNBOUND)
            if value is not UNBOUND and not isinstance(value, _IMMUTABLE):
                by_object.setdefault(id(value), []).append(output.name)
        return {
            name: f"{self._program.step}/{group[0]}" for group in by_object.values() if len(group) > 1 for name in group
        }

    def number(self, name: str) -> Optional[float]:
        """The value of a variable when it is a finite number of Python or numpy (no bool)."""
        value = self._session.names.get(name)
        if isinstance(value, bool) or value is None or isinstance(value, str):
            return None
        if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and value.dtype.kind in "iuf":
            value = value.item()
        if not isinstance(value, (int, float)):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if number - number == 0 else None  # NaN and infinities have no place in JSON

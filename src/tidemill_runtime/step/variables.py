"""The variables of a step: loading what it takes, storing what it gives."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from tidemill_runtime.step.codecs import NotCarried, Scene, load_together, save_together, save_value
from tidemill_runtime.step.codecs.choose import type_name
from tidemill_runtime.step.codecs.plain import UNBOUND
from tidemill_runtime.step.problems import VariableError
from tidemill_runtime.step.program import StepProgram
from tidemill_runtime.step.session import Session
from tidemill_runtime.step.sharing import Sharing
from tidemill_runtime.step.unseen import IMMUTABLE, Unseen
from tidemill_runtime.step.wire import ExecutorInput

_PARAMETER_TYPES: Dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "tuple": tuple}


class Variables:
    """Moves values between the session and the artifacts of a step."""

    def __init__(self, session: Session, wire: ExecutorInput, program: StepProgram) -> None:
        self._session = session
        self._wire = wire
        self._program = program
        self._shared: Dict[str, int] = {}
        self._loaded: Dict[str, Any] = {}
        self._sharing = Sharing(program)
        self._unseen = Unseen(program)

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
        self._unseen.remember_prelude(names, self._scene())

    def _scene(self, known: Tuple[str, ...] = ()) -> Scene:
        names = self._session.names
        same = frozenset(name for name, identity in self._shared.items() if id(names.get(name)) == identity)
        label = f"{self._program.notebook}/{self._program.step}"
        return Scene(main=self._session.main, shared=same, known=frozenset(known), label=label)

    def load(self) -> None:
        """Bind every input, objects with two names as one object."""
        scene = self._scene()
        same: Dict[str, Any] = {}
        together: Dict[str, Mapping[str, Any]] = {}
        names = self._session.names
        for name in self._program.inputs:
            metadata = self._metadata(name)
            identity, group = metadata.get("identity"), metadata.get("together")
            if identity in same:
                value = same[identity]
            elif group in together:
                value = together[group][name]
            else:
                value = self._load_one(name, scene)
                if group is not None:
                    together[group], value = value, value[name]
            if identity is not None:
                same[identity] = value
            self._loaded[name] = value
            if value is UNBOUND:
                names.pop(name, None)
            else:
                names[name] = value
        brought = {n: v for n, v in scene.brought.items() if n not in self._program.inputs and n not in self._shared}
        for name, value in brought.items():
            names.setdefault(name, value)
        self._unseen.remember_brought(brought, scene)
        told = {name: self._metadata(name) for name in self._loaded}
        self._unseen.remember_inputs(self._loaded, told, scene)
        self._sharing.follow(self._loaded, told, scene)

    def _metadata(self, name: str) -> Mapping[str, Any]:
        return self._wire.input_metadata(self._program.artifact_port(name))

    def _load_one(self, name: str, scene: Scene) -> Any:
        path = self._wire.input_path(self._program.artifact_port(name))
        if path is None:
            raise VariableError(f"the variable `{name}` was not handed to the step {self._program.step}")
        try:
            return load_together(path, self._metadata(name), scene)
        except NotCarried as problem:
            raise VariableError(f"the variable `{name}` cannot be loaded: {problem}") from problem

    def check(self) -> None:
        """Raise `VariableError` when something was changed that other steps would not see."""
        scene = self._scene()
        self._sharing.check(scene)
        paths = {name: self._wire.input_path(self._program.artifact_port(name)) for name in self._loaded}
        self._unseen.check(paths, scene)

    def store(self) -> None:
        """Write every output; raises `VariableError` naming the variable and its type when one cannot be."""
        names = self._session.names
        paths = {output.name: self._wire.output_path(output.name) for output in self._program.outputs}
        values = {name: names.get(name, UNBOUND) for name, path in paths.items() if path is not None}
        kept = {name: value for name, value in self._loaded.items() if self._is_kept(name)}
        found = self._sharing.found(values, kept, self._scene())
        written = self._store_together(found.groups, values, paths)
        identities = self._identities()
        for output in self._program.outputs:
            path = paths[output.name]
            if path is None:
                continue
            metadata = written.get(output.name) or self._store_one(output.name, path, output.known)
            if output.name in identities:
                metadata["identity"] = identities[output.name]
            if output.name in found.told:
                metadata["shared"] = found.told[output.name]
            self._wire.describe(output.name, {**metadata, "display_name": output.name})

    def _is_kept(self, name: str) -> bool:
        """True for an input that later steps take as it came, from where this step took it."""
        outputs = {output.name for output in self._program.outputs}
        return name not in outputs and f"{name}@{self._program.inputs[name]}" in self._program.later

    def _store_together(
        self, groups: List[List[str]], values: Mapping[str, Any], paths: Mapping[str, Optional[str]]
    ) -> Dict[str, Dict[str, str]]:
        written: Dict[str, Dict[str, str]] = {}
        known = {output.name: set(output.known) for output in self._program.outputs}
        for group in groups:
            where = {name: path for name in group if (path := paths[name]) is not None}
            scene = self._scene(tuple(set.intersection(*(known[name] for name in group))))
            try:
                made = save_together({name: values[name] for name in group}, where, scene)
            except NotCarried:
                continue  # one by one, so that the one that cannot be stored is named
            for name, metadata in made.items():
                written[name] = {**metadata, "together": f"{self._program.step}/{group[0]}"}
        return written

    def _store_one(self, name: str, path: str, known: Tuple[str, ...]) -> Dict[str, str]:
        value = self._session.names.get(name, UNBOUND)
        try:
            return save_value(value, path, self._scene(known))
        except OSError as problem:
            raise VariableError(
                f"`{name}` of type {type_name(value)} cannot be stored: {problem.strerror or problem}"
            ) from problem
        except NotCarried as problem:
            raise VariableError(
                f"`{name}` of type {type_name(value)} cannot leave the step {self._program.step}: "
                f"{problem}; make it in the step that uses it, or keep both cells in one step"
            ) from problem

    def _identities(self) -> Dict[str, str]:
        """A mark for outputs that are one object under several names."""
        by_object: Dict[int, List[str]] = {}
        for output in self._program.outputs:
            value = self._session.names.get(output.name, UNBOUND)
            if value is not UNBOUND and not isinstance(value, IMMUTABLE):
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

"""The last codec: cloudpickle, with the notebook's own functions bound to the notebook of the step that loads them."""

from __future__ import annotations

import dis
import functools
import hashlib
import io
import operator
import pickle
import sys
import types
from typing import Any, Dict, List, Optional, Set, Tuple, Type

from tidemill_runtime.step.codecs.contract import Scene

PROTOCOL = 5
_READS_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})


class PickleCodec:
    """Any value that pickles; functions and classes of the notebook by value, with the globals that they read.

    A function's globals are the notebook's namespace wherever it is loaded, as in the kernel: it sees later
    assignments. The file holds the value, then name by name those globals that the loading step does not get
    otherwise.
    """

    name = "cloudpickle"

    def takes(self, value: object) -> bool:
        return True

    def write(self, value: Any, path: str, scene: Scene) -> None:
        buffer = io.BytesIO()
        pickler = pickler_class()(buffer, scene)
        pickler.dump(pickler.state_of_shared(value))
        done: Set[str] = set()
        while True:
            names = sorted(pickler.reached - done - scene.known - scene.shared)
            if not names:
                break
            for name in names:
                done.add(name)
                if name in scene.main.__dict__:
                    pickler.dump((name, scene.main.__dict__[name]))
        pickler.dump(None)
        with open(path, "wb") as file:
            file.write(buffer.getbuffer())

    def read(self, path: str, scene: Scene) -> Any:
        with open(path, "rb") as file:
            unpickler = pickle.Unpickler(file)
            value = unpickler.load()
            if isinstance(value, SharedState):
                value = value.restored()
            while True:
                brought = unpickler.load()
                if brought is None:
                    return value
                scene.brought.setdefault(brought[0], brought[1])

    def same(self, value: Any, loaded: Any) -> bool:
        return True


class SharedState:
    """What changed of a class or function that the loading step has of its own: attributes, defaults."""

    def __init__(self, qualname: str, state: Dict[str, Any]) -> None:
        self.qualname = qualname
        self.state = state

    def restored(self) -> Any:
        """The loading step's own, brought to that state."""
        found = _main_attribute(self.qualname)
        for name, value in self.state.items():
            if name == "__dict__":
                found.__dict__.update(value)
            else:
                setattr(found, name, value)
        return found


class NotebookReducer:
    """The part of the pickler that knows the notebook; mixed into cloudpickle's pickler where that is installed."""

    scene: Scene
    reached: Set[str]

    def reduce_own(self, obj: Any) -> Optional[Tuple[Any, ...]]:
        """How to pickle an object of the notebook, None for all others."""
        main = self.scene.main
        if isinstance(obj, types.FunctionType) and obj.__globals__ is main.__dict__:
            return self._function(obj)
        if isinstance(obj, type) and obj.__module__ == "__main__":
            if self._is_shared(obj):
                return _main_attribute, (obj.__qualname__,)
            _track(obj, self.scene.label)
            return None
        if isinstance(obj, types.CellType):
            return _new_cell, (), _cell_state(obj), None, None, _set_cell
        if isinstance(obj, functools.cached_property):
            return _cached_property, (obj.func, obj.attrname)
        if isinstance(obj, functools._lru_cache_wrapper):
            parameters = obj.cache_parameters()
            return _cached, (obj.__wrapped__, parameters["maxsize"], parameters["typed"])
        return None

    def state_of_shared(self, value: Any) -> Any:
        """A class or function that every step makes itself is an output because it changed: its state is carried."""
        if isinstance(value, type) and value.__module__ == "__main__" and self._is_shared(value):
            return SharedState(value.__qualname__, _class_state(value))
        if (
            isinstance(value, types.FunctionType)
            and value.__globals__ is self.scene.main.__dict__
            and self._is_shared(value)
        ):
            return SharedState(value.__qualname__, {name: getattr(value, name) for name in _FUNCTION_STATE})
        return value

    def _is_shared(self, obj: Any) -> bool:
        """True for what a cell that every step runs has made: the loading step has its own."""
        if obj.__qualname__.partition(".")[0] not in self.scene.shared:
            return False
        try:
            return operator.attrgetter(obj.__qualname__)(self.scene.main) is obj
        except AttributeError:
            return False

    def _function(self, function: types.FunctionType) -> Tuple[Any, ...]:
        if self._is_shared(function):
            return _main_attribute, (function.__qualname__,)
        self.reached |= global_names(function.__code__)
        state = {
            "__kwdefaults__": function.__kwdefaults__,
            "__annotations__": function.__annotations__,
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__dict__": dict(function.__dict__),
        }
        made = (function.__code__, function.__name__, function.__defaults__, function.__closure__)
        return _new_function, made, state, None, None, _set_function


@functools.lru_cache(maxsize=1)
def pickler_class() -> Type[Any]:
    base: Any
    try:
        import cloudpickle

        base = cloudpickle.CloudPickler
    except ImportError:
        base = pickle.Pickler

    class NotebookPickler(NotebookReducer, base):  # type: ignore[misc]  # the base is chosen at run time
        def __init__(self, file: io.BytesIO, scene: Scene) -> None:
            super().__init__(file, protocol=PROTOCOL)
            self.scene = scene
            self.reached = set()

        def reducer_override(self, obj: Any) -> Any:
            own = self.reduce_own(obj)
            if own is not None:
                return own
            inherited = getattr(super(), "reducer_override", None)
            return NotImplemented if inherited is None else inherited(obj)

    return NotebookPickler


def global_names(code: types.CodeType) -> Set[str]:
    """The names that code reads from its globals, in the functions inside it too."""
    found = {str(i.argval) for i in dis.get_instructions(code) if i.opname in _READS_GLOBAL}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= global_names(constant)
    return found


def _track(cls: type, label: str) -> None:
    """Give a class the same identity in every file, so that its objects meet again as one class, and as equal bytes."""
    module = sys.modules.get("cloudpickle.cloudpickle")
    by_class = getattr(module, "_DYNAMIC_CLASS_TRACKER_BY_CLASS", None)
    by_id = getattr(module, "_DYNAMIC_CLASS_TRACKER_BY_ID", None)
    if by_class is None or by_id is None or cls in by_class:
        return
    bodies: List[str] = [
        f"{name}:{value.__code__.co_filename}:{value.__code__.co_firstlineno}"
        for name, value in sorted(vars(cls).items())
        if isinstance(value, types.FunctionType)
    ]
    identity = hashlib.sha256("\n".join([label, cls.__qualname__, *bodies]).encode("utf-8")).hexdigest()[:32]
    if identity not in by_id:  # two classes of one name and place (made in a loop) keep random identities
        by_class[cls] = identity
        by_id[identity] = cls


def _main() -> types.ModuleType:
    return sys.modules["__main__"]


def _main_attribute(qualname: str) -> Any:
    return operator.attrgetter(qualname)(_main())


def _new_function(code: types.CodeType, name: str, defaults: Any, closure: Any) -> types.FunctionType:
    return types.FunctionType(code, _main().__dict__, name, defaults, closure)


def _set_function(function: types.FunctionType, state: Dict[str, Any]) -> None:
    function.__dict__.update(state.pop("__dict__"))
    for name, value in state.items():
        setattr(function, name, value)


_EMPTY = "tidemill: an empty cell"


def _new_cell() -> types.CellType:
    return types.CellType()


def _cell_state(cell: types.CellType) -> Tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:
        return (_EMPTY, _EMPTY)


def _set_cell(cell: types.CellType, state: Tuple[Any, ...]) -> None:
    if len(state) == 1:
        cell.cell_contents = state[0]


def _cached(function: Any, maxsize: Optional[int], typed: bool) -> Any:
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def _cached_property(function: Any, name: Optional[str]) -> Any:
    made: Any = functools.cached_property(function)
    made.attrname = name
    return made


_FUNCTION_STATE = ("__defaults__", "__kwdefaults__", "__dict__")
_CODE = (types.FunctionType, classmethod, staticmethod, property, functools.cached_property, types.MemberDescriptorType)


def _class_state(cls: type) -> Dict[str, Any]:
    return {
        name: value
        for name, value in vars(cls).items()
        if not (name.startswith("__") and name.endswith("__"))
        and not isinstance(value, _CODE)
        and not name.startswith("_abc_")
    }

"""Choosing the codec of a value, writing it and reading it back."""

from __future__ import annotations

import errno
import os
import pickle
from typing import Any, Dict, List, Mapping, Tuple

from tidemill_runtime.step.codecs.arrays import NpyCodec, PandasCodec, PolarsCodec
from tidemill_runtime.step.codecs.by_value import PickleCodec
from tidemill_runtime.step.codecs.contract import Codec, NotCarried, Scene
from tidemill_runtime.step.codecs.models import LightgbmCodec, SkopsCodec, XgboostCodec
from tidemill_runtime.step.codecs.plain import JsonCodec, ModuleCodec, UnboundCodec

MAX_COMPARED_BYTES = 64 * 1024 * 1024


def all_codecs() -> Tuple[Codec, ...]:
    """Narrowest first."""
    return (
        UnboundCodec(), JsonCodec(), NpyCodec(), PandasCodec(), PolarsCodec(), SkopsCodec(), XgboostCodec(),
        LightgbmCodec(), ModuleCodec(), PickleCodec(),
    )  # fmt: skip


def type_name(value: object) -> str:
    """The type of a value as messages and metadata name it: `pandas.DataFrame`, `int`."""
    kind = type(value)
    module = kind.__module__
    if module == "builtins":
        return kind.__qualname__
    top = module.partition(".")[0] if module.startswith(("pandas.", "numpy.")) else module
    return f"{top}.{kind.__qualname__}"


def save_value(value: object, path: str, scene: Scene) -> Dict[str, str]:
    """Write a value by the narrowest codec that brings it back as it is; gives the artifact's metadata.

    Raises `NotCarried` when none can.
    """
    problems: List[str] = []
    for codec in all_codecs():
        if not codec.takes(value):
            continue
        try:
            codec.write(value, path, scene)
            if codec.name == PickleCodec.name or codec.same(value, codec.read(path, scene)):
                return {"codec": codec.name, "python_type": type_name(value)}
        except Exception as problem:  # whatever a library raises, the next codec may do
            if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
                _remove(path)  # the value is not to blame, and no other codec helps
                raise
            problems.append(f"{type(problem).__name__}: {problem}")
    _remove(path)
    raise NotCarried(problems[-1] if problems else "no codec takes it")


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def save_together(values: Mapping[str, object], paths: Mapping[str, str], scene: Scene) -> Dict[str, Dict[str, str]]:
    """Write values that have objects in common, so that whoever loads several has one object again where one was.

    Each file holds all of them. Gives the metadata by name; raises `NotCarried` when one of them cannot be pickled.
    """
    codec = PickleCodec()
    for path in paths.values():
        try:
            codec.write(dict(values), path, scene)
        except Exception as problem:
            if isinstance(problem, OSError):
                raise
            for written in paths.values():
                _remove(written)
            raise NotCarried(f"{type(problem).__name__}: {problem}") from problem
    return {
        name: {"codec": codec.name, "python_type": type_name(value), "member": name} for name, value in values.items()
    }


def load_value(path: str, metadata: Mapping[str, Any], scene: Scene) -> Any:
    """Read a value back by the codec that its metadata names; without one the file's beginning tells.

    Of values that were written together it is the one that the metadata names. Raises `NotCarried` when the codec is
    not known or the file is not of it.
    """
    loaded = load_together(path, metadata, scene)
    member = metadata.get("member")
    return loaded if member is None else loaded[member]


def load_together(path: str, metadata: Mapping[str, Any], scene: Scene) -> Any:
    """As `load_value`; all values by name, where several were written together."""
    name = metadata.get("codec") or _guess(path)
    codec = next((codec for codec in all_codecs() if codec.name == name), None)
    if codec is None:
        raise NotCarried(f"the codec {name!r} is not known to this runtime")
    try:
        return codec.read(path, scene)
    except Exception as problem:
        raise NotCarried(f"{type(problem).__name__}: {problem}") from problem


def _guess(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, name in (
        (b"\x93NUMPY", "npy"),
        (b"PAR1", "parquet"),
        (b"PK\x03\x04", "skops"),
        (b"\x80", "cloudpickle"),
    ):
        if start.startswith(magic):
            return name
    return "json" if start else "unbound"


def is_unchanged(value: object, path: str, metadata: Mapping[str, Any], scene: Scene) -> bool:
    """False when a value that was read from a file has surely been changed in place since.

    Only formats whose bytes follow from the value are compared, up to `MAX_COMPARED_BYTES`.
    """
    name = metadata.get("codec")
    if name == NpyCodec.name:
        return type_name(value) != "numpy.ndarray" or NpyCodec().unchanged(value, path)
    if name not in ("json", "parquet") or os.path.getsize(path) > MAX_COMPARED_BYTES:
        return True
    codec = next(codec for codec in all_codecs() if codec.name == name)
    if not codec.takes(value):
        return False
    again = path + ".again"
    try:
        codec.write(value, again, scene)
        with open(path, "rb") as before, open(again, "rb") as after:
            return before.read() == after.read()
    except (OSError, ValueError, TypeError, ArithmeticError, pickle.PickleError):
        return False
    finally:
        if os.path.exists(again):
            os.remove(again)

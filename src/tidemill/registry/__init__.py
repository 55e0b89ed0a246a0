"""Models, their versions and packages, and the live pointer of each service; the pointer is moved by the gate alone."""

from tidemill.registry.diff import diff_versions
from tidemill.registry.find import get_version, list_models, list_versions, version_in
from tidemill.registry.model import (
    LivePointer,
    Model,
    ModelVersion,
    MoveKind,
    PointerMove,
    RegisterRequest,
    VersionDifference,
    VersionState,
)
from tidemill.registry.pointer import live_pointer, live_pointers, pointer_moves
from tidemill.registry.retire import retire_version
from tidemill.registry.trace import trace_version

__all__ = [
    "LivePointer",
    "Model",
    "ModelVersion",
    "MoveKind",
    "PointerMove",
    "RegisterRequest",
    "VersionDifference",
    "VersionState",
    "diff_versions",
    "get_version",
    "list_models",
    "list_versions",
    "live_pointer",
    "live_pointers",
    "pointer_moves",
    "retire_version",
    "trace_version",
    "version_in",
]

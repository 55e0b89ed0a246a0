"""Models, their versions and packages, and the live pointer of each service; the pointer is moved by the gate alone."""

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

__all__ = [
    "LivePointer",
    "Model",
    "ModelVersion",
    "MoveKind",
    "PointerMove",
    "RegisterRequest",
    "VersionDifference",
    "VersionState",
]

"""Models, their versions and packages, and the live pointer of each service; the pointer is moved by the gate alone."""

from tidemill.registry.diff import diff_versions
from tidemill.registry.find import get_version, list_models, list_versions, version_in
from tidemill.registry.model import LivePointer, Model, ModelVersion, MoveKind, RegisterRequest, VersionState
from tidemill.registry.package_content import package_content, package_document, version_lock, version_venv
from tidemill.registry.pointer import live_pointer, live_pointers
from tidemill.registry.register import register_version
from tidemill.registry.run_outputs import RunOutputs
from tidemill.registry.trace import trace_version

__all__ = [
    "LivePointer",
    "Model",
    "ModelVersion",
    "MoveKind",
    "RegisterRequest",
    "RunOutputs",
    "VersionState",
    "diff_versions",
    "get_version",
    "list_models",
    "list_versions",
    "live_pointer",
    "live_pointers",
    "package_content",
    "package_document",
    "register_version",
    "trace_version",
    "version_in",
    "version_lock",
    "version_venv",
]

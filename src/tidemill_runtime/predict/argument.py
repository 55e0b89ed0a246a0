"""The JSON argument that tells a predictor what to serve, and where."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Optional


class BadArgument(Exception):
    """The argument cannot be used."""


@dataclass(frozen=True)
class Argument:
    """What to serve: a package and its digest; where: one listening socket, inherited (`fd`) or to be made (`path`)."""

    package: str
    model_name: str
    model_digest: Optional[str] = None
    package_digest: str = ""
    """Told on to whoever asks which package this is: that of the tree which was unpacked into `package`."""
    allow_pickle: bool = False
    version: str = "1"
    fd: Optional[int] = None
    path: Optional[str] = None
    log_socket: Optional[str] = None
    heartbeat: Optional[str] = None
    lifeline: bool = False
    """Drain and end when standard input closes: whoever started the predictor is gone."""
    late_paths: List[str] = field(default_factory=list)
    """Folders to import from after the venv's own: uvicorn and the like, when the model's lock has them not."""
    source: Dict[str, str] = field(default_factory=dict)
    """Written into every frame of the log: namespace, service, revision, model_version_id."""
    max_body_bytes: int = 16 * 1024 * 1024
    max_batch_rows: int = 512
    max_queued_rows: int = 8192
    drain_seconds: int = 25


def parse_argument(text: str) -> Argument:
    """The argument from its JSON; an unknown or missing key raises `BadArgument`."""
    try:
        document: Dict[str, Any] = json.loads(text)
        known = {item.name for item in fields(Argument)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise BadArgument(f"the argument has the unknown key {unknown[0]!r}")
        argument = Argument(**document)
    except (ValueError, TypeError) as problem:
        raise BadArgument(f"the argument is not usable: {problem}") from problem
    if (argument.fd is None) == (argument.path is None):
        raise BadArgument("the argument needs either fd or path")
    return argument

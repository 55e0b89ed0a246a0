"""The nouns of monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One request to a service as it was logged, failures too.

    `inputs` are the request's instances (V1) or tensors by name (V2), `outputs` a list per output of the model;
    `request_id` is the gateway's, which two revisions of a mirrored request share.
    """

    id: str
    time: datetime
    namespace_id: str
    namespace: str
    service: str
    service_id: str
    revision_id: str
    revision: str
    model_version_id: str
    protocol: str
    status: int
    latency_us: int
    inputs: Any
    outputs: Any
    error: str | None
    request_id: str | None

"""Turn the quantities a container asks for into numbers."""

from __future__ import annotations

from dataclasses import dataclass

from tidemill.pipelines.model import Resources
from tidemill.pipelines.placeholders import PlaceholderContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceNeeds:
    """CPU in cores, memory in bytes, accelerators as a count; None where nothing is asked for."""

    cpu_request_cores: float | None = None
    cpu_limit_cores: float | None = None
    memory_request_bytes: int | None = None
    memory_limit_bytes: int | None = None
    accelerator_type: str = ""
    accelerators: int = 0


def resolve_resources(resources: Resources, context: PlaceholderContext) -> ResourceNeeds:
    """The needs in numbers, placeholders resolved; `InvalidInput` for text that is no quantity."""
    raise NotImplementedError


def parse_quantity(text: str, *, place: str) -> float:
    """A Kubernetes quantity (`500m`, `1.5`, `2Gi`, `1e3`) as a number; `InvalidInput` at `place` otherwise."""
    raise NotImplementedError

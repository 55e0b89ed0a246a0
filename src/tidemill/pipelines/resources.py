"""Turn the quantities a container asks for into numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tidemill.base.errors import InvalidInput
from tidemill.pipelines.model import Resources
from tidemill.pipelines.placeholders import PlaceholderContext, resolve_value, value_text

QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkKMGTPE]|[KMGTPE]i)?)")
SUFFIXES = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}


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

    def number(text: str, name: str) -> float | None:
        plain = value_text(resolve_value(text, context))
        return parse_quantity(plain, place=name) if plain else None

    def count(text: str, name: str) -> int | None:
        found = number(text, name)
        return None if found is None else int(found)

    return ResourceNeeds(
        cpu_request_cores=number(resources.cpu_request, "cpu_request"),
        cpu_limit_cores=number(resources.cpu_limit, "cpu_limit"),
        memory_request_bytes=count(resources.memory_request, "memory_request"),
        memory_limit_bytes=count(resources.memory_limit, "memory_limit"),
        accelerator_type=value_text(resolve_value(resources.accelerator_type, context)),
        accelerators=count(resources.accelerators, "accelerators") or 0,
    )


def parse_quantity(text: str, *, place: str) -> float:
    """A Kubernetes quantity (`500m`, `1.5`, `2Gi`, `1e3`) as a number; `InvalidInput` at `place` otherwise.

    https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, and K for thousands as kfp has it.
    """
    match = QUANTITY.fullmatch(text.strip())
    if match is None or text.strip().startswith("-"):
        raise InvalidInput(
            f"{text[:40]!r} is not a quantity", place=place, remedy="write it like 500m, 1.5, 256Mi or 2G"
        )
    digits, exponent, suffix = match.groups()
    if exponent is not None:
        return float(f"{digits}e{exponent}")
    return float(digits) * SUFFIXES[suffix or ""]

"""The nouns of figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """What one process of the site uses, with the processes below it that are not listed themselves.

    `cpu_percent` is of one core, since the sample before. `memory_bytes` shares out what processes have in common
    (PSS), so that the sum of all is what the site uses; resident memory where the system does not tell it.
    """

    name: str
    state: str
    restarts: int
    processes: int
    cpu_percent: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFigures:
    """What one graphics processor of the machine does."""

    name: str
    busy_percent: float
    memory_used_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFigures:
    """The machine: `cpu_percent` of all its cores, `disk` is where the home lies.

    `uptime_seconds` goes on while the machine sleeps, whatever is done to its clock; None where that is unknown.
    """

    cores: int
    cpu_percent: float
    load_1m: float
    memory_total_bytes: int
    memory_available_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int
    gpus: tuple[GpuFigures, ...] = ()
    uptime_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was used at a moment."""

    at: datetime
    machine: MachineFigures
    processes: tuple[ProcessFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """The sample as it is stored."""
        return {"schema_version": 1, **asdict(self), "at": self.at.isoformat()}


def sample_from_json(stored: dict[str, Any]) -> Sample:
    """A sample as it was stored."""
    machine = dict(stored["machine"])
    gpus = tuple(GpuFigures(**each) for each in machine.pop("gpus"))
    return Sample(
        at=datetime.fromisoformat(stored["at"]),
        machine=MachineFigures(**machine, gpus=gpus),
        processes=tuple(ProcessFigures(**each) for each in stored["processes"]),
    )

"""A machine for tests that is as they say."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidemill.base.clock import Clock
from tidemill.figures.model import MachineFigures, ProcessFigures, Sample

_SIZE = 100_000_000_000


@dataclass
class FakeMachine:
    """Tells samples of what it holds; `processes` are state and restarts by name."""

    clock: Clock
    disk_percent: float = 50.0
    memory_percent: float = 50.0
    uptime_seconds: float | None = 0.0
    processes: dict[str, tuple[str, int]] = field(default_factory=dict)

    def take(self) -> Sample:
        """A sample of now."""
        machine = MachineFigures(
            cores=2,
            cpu_percent=10.0,
            load_1m=0.5,
            memory_total_bytes=_SIZE,
            memory_available_bytes=round(_SIZE * (100 - self.memory_percent) / 100),
            disk_total_bytes=_SIZE,
            disk_free_bytes=round(_SIZE * (100 - self.disk_percent) / 100),
            uptime_seconds=self.uptime_seconds,
        )
        figures = tuple(
            ProcessFigures(
                name=name, state=state, restarts=restarts, processes=1, cpu_percent=1.0, memory_bytes=50_000_000
            )
            for name, (state, restarts) in self.processes.items()
        )
        return Sample(at=self.clock.now(), machine=machine, processes=figures)

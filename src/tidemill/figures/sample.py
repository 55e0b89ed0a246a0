"""Taking a sample of the machine and of the processes that the supervisor names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from tidemill.base.clock import Clock
from tidemill.figures.model import GpuFigures, MachineFigures, ProcessFigures, Sample

GPU_SECONDS = 2.0
MEMORY_SECONDS = 14.0
SUPERVISOR = "supervisor"
_GPU_QUERY = "--query-gpu=name,utilization.gpu,memory.used,memory.total"
Statuses = Callable[[], Sequence[Mapping[str, Any]]]
"""The processes of the site as the supervisor tells them: name, state, pid, restarts; none without a supervisor."""


class Source(Protocol):
    """Tells what machine and processes use."""

    def take(self) -> Sample:
        """A sample of now, by the site's clock; a process that ends meanwhile is left out.

        Percents of the machine are from 0 to 100, what is free is no more than there is, the uptime never falls.
        Each process that the supervisor names is in it once, with its restarts, one that is not there with nothing.
        """


class Sampler:
    """Takes samples with psutil; what a processor did is measured from one to the next."""

    def __init__(self, home: Path, clock: Clock, statuses: Statuses) -> None:
        self._home = home
        self._clock = clock
        self._statuses = statuses
        self._known: dict[int, psutil.Process] = {}
        self._memories: dict[psutil.Process, tuple[float, int]] = {}
        self._gpu_program = shutil.which("nvidia-smi")
        psutil.cpu_percent()

    def take(self) -> Sample:
        """A sample of now."""
        statuses = [*self._statuses()]
        listed = {int(each["pid"]): str(each["name"]) for each in statuses if each["pid"]}
        parents = _parents() if listed else {}
        supervisor = next((parents[pid] for pid, name in listed.items() if name == "server" and pid in parents), None)
        if supervisor is not None:
            statuses.insert(0, {"name": SUPERVISOR, "state": "RUNNING", "pid": supervisor, "restarts": 0})
            listed[supervisor] = SUPERVISOR
        families = _families(parents, listed)
        self._known = {pid: self._known[pid] for pid in self._known if pid in parents}
        self._memories = {each: self._memories[each] for each in self._known.values() if each in self._memories}
        figures = tuple(self._figures(each, families.get(int(each["pid"] or 0), ())) for each in statuses)
        return Sample(at=self._clock.now(), machine=self._machine(), processes=figures)

    def _figures(self, status: Mapping[str, Any], pids: Iterable[int]) -> ProcessFigures:
        count, cpu, memory = 0, 0.0, 0
        for pid in pids:
            try:
                process = self._process(pid)
                used, share = self._memory(process), process.cpu_percent()
            except psutil.Error:
                continue
            count, cpu, memory = count + 1, cpu + share, memory + used
        return ProcessFigures(
            name=str(status["name"]),
            state=str(status["state"]),
            restarts=int(status["restarts"]),
            processes=count,
            cpu_percent=round(cpu, 1),
            memory_bytes=memory,
        )

    def _memory(self, process: psutil.Process) -> int:
        """What a process uses, measured some seconds ago: the kernel looks at each of its pages for that."""
        now = self._clock.monotonic_seconds()
        at, used = self._memories.get(process, (float("-inf"), 0))
        if now - at >= MEMORY_SECONDS:
            at, used = now, _memory(process)
        self._memories[process] = at, used
        return used

    def _process(self, pid: int) -> psutil.Process:
        """The process of that number, the very one that was seen before where it still is."""
        known = self._known.get(pid)
        if known is None or not known.is_running():
            known = self._known[pid] = psutil.Process(pid)
        return known

    def _machine(self) -> MachineFigures:
        memory, disk = psutil.virtual_memory(), shutil.disk_usage(self._home)
        return MachineFigures(
            cores=psutil.cpu_count() or 1,
            cpu_percent=psutil.cpu_percent(),
            load_1m=round(os.getloadavg()[0], 2),
            memory_total_bytes=memory.total,
            memory_available_bytes=memory.available,
            disk_total_bytes=disk.total,
            disk_free_bytes=disk.free,
            gpus=tuple(self._gpus()),
            uptime_seconds=_uptime(),
        )

    def _gpus(self) -> Iterable[GpuFigures]:
        if self._gpu_program is None:
            return
        command = [self._gpu_program, _GPU_QUERY, "--format=csv,noheader,nounits"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError):
            self._gpu_program = None  # one that hangs or has no driver is not asked again
            return
        yield from gpus_of(told.stdout)


def gpus_of(table: str) -> Iterable[GpuFigures]:
    """The rows that nvidia-smi prints: name, percent, used and total memory in MiB; what is unknown is left out."""
    for line in table.splitlines():
        name, *numbers = (part.strip() for part in line.split(","))
        try:
            busy, used, total = (float(each) for each in numbers)
        except ValueError:
            continue
        yield GpuFigures(
            name=name[:100],
            busy_percent=busy,
            memory_used_bytes=int(used * 2**20),
            memory_total_bytes=int(total * 2**20),
        )


def _uptime() -> float | None:
    if sys.platform != "linux":
        return None
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)


def _parents() -> dict[int, int]:
    """The parent of each process of the machine."""
    return {each.pid: each.info["ppid"] for each in psutil.process_iter(["ppid"])}


def _families(parents: Mapping[int, int], listed: Mapping[int, str]) -> dict[int, list[int]]:
    """Each listed process with those below it that are nearer to it than to another listed one."""
    families: dict[int, list[int]] = {pid: [] for pid in listed}
    for pid in parents:
        above, steps = pid, 0
        while above not in listed and above in parents and steps < 64:
            above, steps = parents[above], steps + 1
        if above in listed:
            families[above].append(pid)
    return families

"""Facts of a process that tell it from another with the same id."""

from __future__ import annotations

from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot (proc(5), field 22), or None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rsplit(")", 1)[1].split()[19])


def is_alive(pid: int, ticks: int | None) -> bool:
    """True when the process with this id is still the one that started at `ticks`."""
    now = start_ticks(pid)
    return now is not None and (ticks is None or now == ticks)

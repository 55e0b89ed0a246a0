"""Facts of a process that tell it from another with the same id."""

from __future__ import annotations

from pathlib import Path


def start_ticks(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot (proc(5), field 22), or None when there is none.

    One that has ended counts as gone, even while nobody has asked for its exit status.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else int(fields[19])


def is_alive(pid: int, ticks: int | None) -> bool:
    """True when the process with this id is still the one that started at `ticks`."""
    now = start_ticks(pid)
    return now is not None and (ticks is None or now == ticks)

"""Facts of a process that tell it from another with the same id."""

from __future__ import annotations

import os
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


def this_host() -> str:
    """What must be equal for two process ids to be comparable: the boot and the pid namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    boot_id = boot.read_text().strip() if boot.exists() else os.uname().nodename
    try:
        return f"{boot_id}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return boot_id

"""A site whose processes can be stopped or killed at a named function of theirs."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.acceptance.command_line import until

HOOKS = Path(__file__).parent / "hooks"


class Fault:
    """What happens at the armed point; `variables` are those of the site's processes."""

    def __init__(self, file: Path, points: Sequence[str]) -> None:
        self._file = file
        path = os.pathsep.join(filter(None, [str(HOOKS), os.environ.get("PYTHONPATH", "")]))
        self.variables = {"PYTHONPATH": path, "FAULT_POINTS": ",".join(points), "FAULT_FILE": str(file)}

    def arm(self, point: str, number: signal.Signals) -> None:
        """The next process that comes to the point gets the signal."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{point} {int(number)}")
        new.replace(self._file)

    @property
    def has_fired(self) -> bool:
        """True when a process has come to the armed point."""
        return not self._file.exists()

    def until_fired(self) -> None:
        """Wait for a process to come to the armed point."""
        until(lambda: self.has_fired, "the fault")

"""Ctrl-C while this process is the worker: what is under way ends in good order, and can go on later."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from tidemill.base.errors import Conflict
from tidemill.cli.output import note

if TYPE_CHECKING:
    from tidemill.access import Actor
    from tidemill.base.site import Site


@contextmanager
def on_interrupt(react: Callable[[], None]) -> Iterator[threading.Event]:
    """Within it the first SIGINT calls `react` and sets the event; a second one ends this process at once.

    The signal does not break into the worker's turn: whatever that writes is written whole.
    """
    asked = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # in a thread of its own: the worker's may hold the write lock at this very moment
        threading.Thread(target=react, daemon=True).start()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def cancel_on_interrupt(site: Site, actor: Actor, run_id: str) -> AbstractContextManager[threading.Event]:
    """Within it the first SIGINT asks the run to stop, and sets the event."""
    return on_interrupt(partial(_cancel, site, actor, run_id))


def _cancel(site: Site, actor: Actor, run_id: str) -> None:
    from tidemill.engine import cancel_run  # the engine, once somebody interrupts

    note("stopping the run; Ctrl-C again leaves at once")
    try:
        cancel_run(site, actor, run_id)
    except Conflict:
        return  # it has just ended

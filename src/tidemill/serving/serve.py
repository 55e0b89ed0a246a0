"""The loop that reconciles services whenever something happened in the site; one process of a site runs it."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from tidemill.base.errors import TidemillError
from tidemill.base.events import last_event_number
from tidemill.base.site import Site
from tidemill.serving.reconcile import Reconciler

LOOK_SECONDS = 0.2
ROUND_SECONDS = 2.0
STARTS_AT_ONCE = 4
log = logging.getLogger(__name__)


def reconcile_until(site: Site, reconciler: Reconciler, stop: threading.Event) -> None:
    """A round at every event of the site and every `ROUND_SECONDS`; a slow start holds up no other service."""
    rounds = Rounds(reconciler)
    seen, last = -1, 0.0
    try:
        while not stop.is_set():
            number = _event_number(site)
            if number != seen or time.monotonic() - last > ROUND_SECONDS:
                seen, last = number, time.monotonic()
                rounds.run()
            stop.wait(LOOK_SECONDS)
    finally:
        rounds.close()


class Rounds:
    """Reconciles services in a few threads, each service in one at a time."""

    def __init__(self, reconciler: Reconciler) -> None:
        self._reconciler = reconciler
        self._threads = ThreadPoolExecutor(max_workers=STARTS_AT_ONCE, thread_name_prefix="reconcile")
        self._running: dict[str, Future[None]] = {}

    def run(self) -> None:
        """Start what is to be done now; an error is logged and tried again next time."""
        try:
            self._collect()
            self._reconciler.sync()
            for service in self._reconciler.services():
                if service.id not in self._running:
                    self._running[service.id] = self._threads.submit(self._reconciler.reconcile, service)
        except (TidemillError, OSError) as problem:
            log.warning("serving: %s", problem)

    def close(self) -> None:
        """Wait for what is being done."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _collect(self) -> None:
        done = [service_id for service_id, each in self._running.items() if each.done()]
        for service_id in done:
            problem = self._running.pop(service_id).exception()
            if problem is not None:
                log.error("a service could not be reconciled", exc_info=problem)


def _event_number(site: Site) -> int:
    try:
        with site.database.read() as connection:
            return last_event_number(connection)
    except TidemillError as problem:
        log.warning("serving: %s", problem)
        return -1

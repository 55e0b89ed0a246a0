"""The board of a site's figures: the last hour in memory, a sample a minute beyond that."""

from __future__ import annotations

import logging
import threading
from collections import deque
from datetime import timedelta

from tidemill.base.clock import Clock
from tidemill.base.home import Home
from tidemill.figures.keep import keep_sample, kept_samples
from tidemill.figures.model import Sample
from tidemill.figures.sample import Sampler, Source, Statuses

EVERY_SECONDS = 5.0
MINUTE_SECONDS = 60.0
IN_MEMORY = 720
MOST_SHOWN = 500
log = logging.getLogger(__name__)


class Board:
    """Samples when it is looked at, and every `EVERY_SECONDS` where `run` goes on; safe to call from any thread."""

    def __init__(self, home: Home, clock: Clock, statuses: Statuses, source: Source | None = None) -> None:
        self._home = home
        self._clock = clock
        self._statuses = statuses
        self._sampler: Source | None = source
        self._lock = threading.Lock()
        self._ring: deque[Sample] = deque(maxlen=IN_MEMORY)
        self._looked_at = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Sample until told to stop, and keep one a minute; a full disk costs samples and nothing else."""
        kept_at = self._clock.monotonic_seconds()
        while not stop.wait(EVERY_SECONDS):
            try:
                sample = self.now()
                if self._clock.monotonic_seconds() - kept_at >= MINUTE_SECONDS:
                    kept_at = self._clock.monotonic_seconds()
                    keep_sample(self._home, sample)
            except OSError as problem:
                log.warning("figures: %s", problem)

    def now(self) -> Sample:
        """The newest sample, at most `EVERY_SECONDS` old."""
        with self._lock:
            moment = self._clock.monotonic_seconds()
            if not self._ring or moment - self._looked_at >= EVERY_SECONDS * 0.9:
                self._sampler = self._sampler or Sampler(self._home.path, self._clock, self._statuses)
                self._ring.append(self._sampler.take())
                self._looked_at = moment
            return self._ring[-1]

    def history(self, minutes: int, *, most: int = MOST_SHOWN) -> list[Sample]:
        """The samples of the last minutes, oldest first, at most so many, evenly thinned out."""
        now = self._clock.now()
        since = now - timedelta(minutes=minutes)
        with self._lock:
            recent = [each for each in self._ring if each.at >= since]
        try:
            older = kept_samples(self._home, since, recent[0].at if recent else now)
        except OSError as problem:
            log.warning("figures: %s", problem)
            older = []
        found = [*older, *recent]
        step = -(-len(found) // most) or 1
        return found[::-1][::step][::-1]

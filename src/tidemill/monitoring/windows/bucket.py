"""The records of one window, counted whole and kept as an even sample of bounded size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from tidemill.monitoring.model import Prediction
from tidemill.monitoring.windows.columns import ANSWERED, row_count

MOST_SAMPLED = 5_000
MOST_LABELLED = 20_000
MOST_REFUSALS = 5


@dataclass(slots=True)
class Bucket:
    """Requests of one revision: how they ended, an even sample of them, and all that have a truth (up to a bound)."""

    records: int = 0
    rows: int = 0
    rejected: int = 0
    failed: int = 0
    first_id: str = ""
    last_id: str = ""
    refusals: Counter[str] = field(default_factory=Counter)
    sample: list[Prediction] = field(default_factory=list)
    labelled: list[Prediction] = field(default_factory=list)
    _stride: int = 1

    def add(self, record: Prediction, truths: Container[str]) -> None:
        """Take a record in."""
        if self.records % self._stride == 0:
            self.sample.append(record)
            if len(self.sample) >= 2 * MOST_SAMPLED:
                self.sample = self.sample[::2]
                self._stride *= 2
        self.records += 1
        self.first_id = min(self.first_id or record.id, record.id)
        self.last_id = max(self.last_id, record.id)
        if record.status == ANSWERED:
            self.rows += row_count(record)
        elif record.status >= 500:
            self.failed += 1
        else:
            self.rejected += 1
            # what differs from request to request stands behind the first words
            if len(self.refusals) < 100:
                self.refusals[(record.error or "")[:200]] += 1
        if record.id in truths and len(self.labelled) < MOST_LABELLED:
            self.labelled.append(record)

    def latencies_ms(self) -> list[float]:
        """The sampled latencies of answered requests, in order."""
        return sorted(each.latency_us / 1000 for each in self.sample if each.status == ANSWERED)

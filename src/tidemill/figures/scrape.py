"""The text of `/metrics`, made anew every two seconds at most for each namespace."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.figures.board import Board
from tidemill.figures.collect import LONGEST_LABEL, Value, collect
from tidemill.figures.measures import MEASURES, Measure

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
FRESH_SECONDS = 2.0
Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Metrics:
    """Gives the metrics as text; who scrapes often, or together, costs no more."""

    def __init__(self, site: Site, board: Board) -> None:
        self._site = site
        self._board = board
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, bytes]] = {}

    def text(self, actor: Actor) -> bytes:
        """The metrics of the site and of the actor's namespace, in Prometheus' text format."""
        with self._lock:
            now = self._site.clock.monotonic_seconds()
            made_at, text = self._made.get(actor.namespace_id, (float("-inf"), b""))
            if now - made_at >= FRESH_SECONDS:
                text = exposition(collect(self._site, actor, self._board.now()))
                self._made[actor.namespace_id] = (now, text)
            return text


def exposition(values: Sequence[Value]) -> bytes:
    """Values as Prometheus reads them; a name of others is shortened, and whatever it holds is escaped."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(values))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, values: Sequence[Value]) -> None:
        self._values = values

    def collect(self) -> Iterable[Family]:
        by_name: dict[str, dict[tuple[str, ...], Value]] = {}
        for each in self._values:
            labels = tuple(_label(text) for text in each.labels)
            by_name.setdefault(each.measure, {}).setdefault(
                labels, each
            )  # names alike when shortened: the first stands
        for measure in MEASURES:
            if measure.name in by_name:
                yield _family(measure, by_name[measure.name])


def _family(measure: Measure, values: dict[tuple[str, ...], Value]) -> Family:
    if measure.kind == "histogram":
        histogram = HistogramMetricFamily(measure.name, measure.meaning, labels=measure.labels)
        for labels, each in values.items():
            last = each.latencies[-1][1] if each.latencies else 0
            buckets = [*((f"{bound:g}", float(count)) for bound, count in each.latencies), ("+Inf", float(last))]
            histogram.add_metric(labels, buckets, sum_value=None)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = kind(measure.name, measure.meaning, labels=measure.labels)
    for labels, each in values.items():
        family.add_metric(labels, float(each.number))
    return family


def _label(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:LONGEST_LABEL]

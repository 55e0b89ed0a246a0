"""What `/metrics` says of one namespace and of the whole site: the values of each measure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tidemill import __version__
from tidemill.access import Actor
from tidemill.base.errors import Unavailable
from tidemill.base.outbox import count_effects
from tidemill.base.site import Site
from tidemill.engine import count_runs
from tidemill.figures.model import Sample
from tidemill.monitoring import Monitoring, get_monitoring
from tidemill.monitoring.alerts import Alert, list_alerts
from tidemill.monitoring.alerts.model import ACTIVE
from tidemill.monitoring.windows.model import Window, WindowState
from tidemill.serving import list_services
from tidemill.serving.gateway import Figures
from tidemill.serving.traffic import Arm, arms_of

MOST_SERVICES = 1_000
MOST_FEATURES = 200
MOST_WINDOWS = 24
LONGEST_LABEL = 120
_UP = frozenset({"RUNNING", "IDLE", "STARTING"})


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a measure with its labels; `latencies` instead of `number` for a histogram."""

    measure: str
    labels: tuple[str, ...] = ()
    number: float = 0.0
    latencies: tuple[tuple[float, int], ...] = field(default=())


def collect(site: Site, actor: Actor, sample: Sample) -> list[Value]:
    """All values: of the site's processes and machine, and of what the actor's namespace has."""
    return [
        Value("tidemill_build_info", (__version__,), 1),
        *_machine(sample),
        *_processes(sample),
        *_runs(site, actor),
        *_services(site, actor),
        *_alerts(("", ""), list_alerts(site, actor, states=ACTIVE, service="")),
    ]


def _machine(sample: Sample) -> Iterator[Value]:
    machine = sample.machine
    yield Value("tidemill_machine_cpu_percent", (), machine.cpu_percent)
    yield Value("tidemill_machine_load_1m", (), machine.load_1m)
    yield Value("tidemill_machine_cores", (), machine.cores)
    yield Value("tidemill_machine_memory_total_bytes", (), machine.memory_total_bytes)
    yield Value("tidemill_machine_memory_available_bytes", (), machine.memory_available_bytes)
    yield Value("tidemill_home_disk_total_bytes", (), machine.disk_total_bytes)
    yield Value("tidemill_home_disk_free_bytes", (), machine.disk_free_bytes)
    for number, gpu in enumerate(machine.gpus):
        yield Value("tidemill_gpu_busy_percent", (f"{number} {gpu.name}",), gpu.busy_percent)


def _processes(sample: Sample) -> Iterator[Value]:
    for each in sample.processes:
        yield Value("tidemill_process_cpu_percent", (each.name,), each.cpu_percent)
        yield Value("tidemill_process_memory_bytes", (each.name,), each.memory_bytes)
        yield Value("tidemill_process_restarts_total", (each.name,), each.restarts)
        yield Value("tidemill_process_up", (each.name,), each.state in _UP)


def _runs(site: Site, actor: Actor) -> Iterator[Value]:
    with site.database.read() as connection:
        runs = count_runs(connection, actor.namespace_id)
        effects = count_effects(connection, actor.namespace_id)
    for state, count in runs.items():
        yield Value("tidemill_runs", (state.value,), count)
        if state.value == "PENDING":
            yield Value("tidemill_run_queue_length", (), count)
    for (topic, effect_state), count in sorted(effects.items()):
        yield Value("tidemill_outbox_effects", (topic, effect_state.value), count)


def _services(site: Site, actor: Actor) -> Iterator[Value]:
    services = list_services(site, actor, limit=MOST_SERVICES)
    try:
        arms = arms_of(site, actor, services)
    except Unavailable:  # no gateway, or it starts again: what it counts is not known now
        arms = {}
    for service in services:
        where = (service.name, service.spec.environment)
        yield Value("tidemill_service_ready", where, service.ready)
        for arm in arms.get(service.id, ()):
            yield from _arm(where, arm)
        yield from _watched(where, get_monitoring(site, actor, service.name, limit=MOST_WINDOWS))


def _arm(where: tuple[str, str], arm: Arm) -> Iterator[Value]:
    labels, figures = (*where, str(arm.revision.number)), arm.figures
    yield Value("tidemill_service_traffic_percent", labels, arm.percent)
    yield Value("tidemill_service_requests_total", labels, figures.requests)
    yield Value("tidemill_service_refused_total", labels, figures.refused)
    yield Value("tidemill_service_failed_total", labels, figures.failed)
    yield Value("tidemill_service_latency_seconds", labels, latencies=_in_seconds(figures))


def _in_seconds(figures: Figures) -> tuple[tuple[float, int], ...]:
    return tuple((bound / 1000, count) for bound, count in figures.latencies)


def _watched(where: tuple[str, str], found: Monitoring) -> Iterator[Value]:
    newest = next((each for each in found.windows if each.state is WindowState.CLOSED), None)
    if newest is not None:
        for feature, effect in _drifts(newest):
            yield Value("tidemill_drift", (*where, feature), effect)
    told = next((each.report["performance"] for each in found.windows if each.report.get("performance")), None)
    for metric, value in (told or {}).get("metrics", {}).items():
        yield Value("tidemill_error", (*where, metric), value)
    yield from _alerts(where, found.alerts)


def _alerts(where: tuple[str, str], alerts: Sequence[Alert]) -> Iterator[Value]:
    counts: dict[tuple[str, ...], int] = {}
    for alert in alerts:
        key = (*where, alert.name, alert.kind.value, alert.state.value)
        counts[key] = counts.get(key, 0) + 1
    for labels, count in sorted(counts.items()):
        yield Value("tidemill_alerts", labels, count)


def _drifts(window: Window) -> Sequence[tuple[str, float]]:
    """The drift of each column, and of the prediction, where it was measured."""
    prediction = window.report.get("prediction")
    columns = [*(window.report.get("columns") or ()), *([{**prediction, "name": "(prediction)"}] if prediction else ())]
    known = [(str(each["name"]), each["effect"]) for each in columns if each.get("effect") is not None]
    return known[:MOST_FEATURES]

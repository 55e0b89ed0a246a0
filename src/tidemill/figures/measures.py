"""Every metric of `/metrics`: its name, kind, labels and meaning; the collector gives these and no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One metric; `kind` is that of Prometheus."""

    name: str
    kind: str
    meaning: str
    labels: tuple[str, ...] = ()


_SERVICE = ("service", "environment", "revision")
MEASURES: tuple[Measure, ...] = (
    Measure(name="tidemill_build_info", kind="gauge", meaning="1, with the version of the site.", labels=("version",)),
    Measure(
        name="tidemill_process_cpu_percent",
        kind="gauge",
        meaning="CPU of one core, in percent, with the processes below it.",
        labels=("process",),
    ),
    Measure(
        name="tidemill_process_memory_bytes",
        kind="gauge",
        meaning="Memory, shared parts shared out, with the processes below it.",
        labels=("process",),
    ),
    Measure(
        name="tidemill_process_restarts_total",
        kind="counter",
        meaning="How often it was started again since the site came up.",
        labels=("process",),
    ),
    Measure(
        name="tidemill_process_up",
        kind="gauge",
        meaning="1 when it runs, or rests until it is asked.",
        labels=("process",),
    ),
    Measure(name="tidemill_machine_cpu_percent", kind="gauge", meaning="CPU of all cores, in percent."),
    Measure(name="tidemill_machine_load_1m", kind="gauge", meaning="Load average of a minute."),
    Measure(name="tidemill_machine_cores", kind="gauge", meaning="Cores of the machine."),
    Measure(name="tidemill_machine_memory_total_bytes", kind="gauge", meaning="Memory of the machine."),
    Measure(name="tidemill_machine_memory_available_bytes", kind="gauge", meaning="Memory that programs can have."),
    Measure(name="tidemill_home_disk_total_bytes", kind="gauge", meaning="The disk on which the home lies."),
    Measure(name="tidemill_home_disk_free_bytes", kind="gauge", meaning="What is free on it."),
    Measure(
        name="tidemill_gpu_busy_percent", kind="gauge", meaning="How busy a graphics processor is.", labels=("gpu",)
    ),
    Measure(name="tidemill_runs", kind="gauge", meaning="Runs by state.", labels=("state",)),
    Measure(name="tidemill_run_queue_length", kind="gauge", meaning="Runs that wait for a worker."),
    Measure(
        name="tidemill_outbox_effects",
        kind="gauge",
        meaning="Effects that wait to be delivered, or were given up (dead).",
        labels=("topic", "state"),
    ),
    Measure(
        name="tidemill_service_ready",
        kind="gauge",
        meaning="1 when the service answers.",
        labels=("service", "environment"),
    ),
    Measure(
        name="tidemill_service_requests_total",
        kind="counter",
        meaning="Requests that the gateway had answered.",
        labels=_SERVICE,
    ),
    Measure(
        name="tidemill_service_refused_total",
        kind="counter",
        meaning="Those that were the client's fault (4xx).",
        labels=_SERVICE,
    ),
    Measure(name="tidemill_service_failed_total", kind="counter", meaning="Those that failed (5xx).", labels=_SERVICE),
    Measure(
        name="tidemill_service_latency_seconds",
        kind="histogram",
        meaning="How long answers took, as the gateway counted.",
        labels=_SERVICE,
    ),
    Measure(
        name="tidemill_service_traffic_percent",
        kind="gauge",
        meaning="The share of requests that a revision gets.",
        labels=_SERVICE,
    ),
    Measure(
        name="tidemill_drift",
        kind="gauge",
        meaning="Drift of a feature in the newest closed window.",
        labels=("service", "environment", "feature"),
    ),
    Measure(
        name="tidemill_error",
        kind="gauge",
        meaning="The error of predictions in the newest window with truth.",
        labels=("service", "environment", "metric"),
    ),
    Measure(
        name="tidemill_alerts",
        kind="gauge",
        meaning="Alerts that are pending or raised.",
        labels=("service", "environment", "alert", "kind", "state"),
    ),
)

"""`/metrics`: what Prometheus reads, of one namespace, and nothing that stands in no table."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.conftest import FixedClock, people_of
from tests.unit.monitoring.traffic import Stage, an_alert, open_stage

from tidemill.access import local_token
from tidemill.base.outbox import Effect, enqueue
from tidemill.base.site import Site
from tidemill.figures import MEASURES, Board, ProcessFigures
from tidemill.figures.collect import Value, collect
from tidemill.figures.scrape import Metrics, exposition
from tidemill.monitoring.alerts import store as alert_store
from tidemill.platform import Platform
from tidemill.server.app import create_app
from tidemill.serving.gateway import Figures
from tidemill.serving.gateway.admin import Admin

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
HOSTILE = 'a"b\\c\nd{x="y"} # HELP \ud800 車' + "x" * 10_000


@pytest.fixture
def stage(still_site: Site) -> Stage:
    return open_stage(still_site, people_of(still_site))


@pytest.fixture
def made(stage: Stage, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    """Metrics of a site with a service, its gateway's counts, an alert, and an effect that waits."""
    counted = Figures(requests=100, refused=5, failed=2, latencies=((0.5, 40), (1.0, 90), (1000.0, 93)))
    monkeypatch.setattr(Admin, "figures", lambda _, clusters: dict.fromkeys(clusters, counted))
    site, person = stage.site, stage.people.owner
    with site.database.write() as connection:
        alert_store.insert_alert(connection, an_alert(stage))
        effect = Effect(
            namespace_id=person.namespace_id, topic="post", lane="l", idempotency_key="k", payload={}, created_by="x"
        )
        enqueue(connection, site.clock, site.ids, effect)
    return Metrics(site, Board(site.home, clock, lambda: []))


def samples(text: bytes) -> dict[tuple[str, tuple[str, ...]], float]:
    """Each sample by its name and the values of its labels, as the measure orders them."""
    orders = {each.name: (*each.labels, "le") for each in MEASURES}
    return {
        (
            each.name,
            tuple(each.labels[label] for label in orders[each.name.removesuffix("_bucket")] if label in each.labels),
        ): each.value
        for family in text_string_to_metric_families(text.decode())
        for each in family.samples
    }


def test_what_happens_on_the_site_is_told(made: Metrics, stage: Stage) -> None:
    told = samples(made.text(stage.people.viewer))
    where = ("fuel", stage.service.spec.environment)
    assert told["tidemill_service_requests_total", (*where, "1")] == 100
    assert told["tidemill_service_failed_total", (*where, "1")] == 2
    assert told["tidemill_service_latency_seconds_bucket", (*where, "1", "0.001")] == 90
    assert told["tidemill_service_latency_seconds_bucket", (*where, "1", "+Inf")] == 93
    assert told["tidemill_service_traffic_percent", (*where, "1")] == 100
    assert told["tidemill_outbox_effects", ("post", "waiting")] == 1
    assert told["tidemill_runs", ("FAILED",)] == 0
    assert told["tidemill_home_disk_free_bytes", ()] > 0
    assert sum(value for (name, _), value in told.items() if name == "tidemill_alerts") == 1


def test_what_was_scraped_stays_for_two_seconds(made: Metrics, stage: Stage, clock: FixedClock) -> None:
    first = made.text(stage.people.viewer)
    with stage.site.database.write() as connection:
        alert_store.insert_alert(connection, replace(an_alert(stage), id="another", feature="other"))
    assert made.text(stage.people.owner) == first
    clock.advance(2)
    assert made.text(stage.people.viewer) != first


def test_another_namespace_is_told_of_the_site_alone(made: Metrics, stage: Stage) -> None:
    told = made.text(replace(stage.people.viewer, namespace_id="other"))
    assert b"tidemill_machine_cores" in told
    assert b"fuel" not in told


def test_every_value_is_of_a_measure_that_stands_in_the_reference(
    made: Metrics, stage: Stage, clock: FixedClock
) -> None:
    process = ProcessFigures(name="server", state="RUNNING", restarts=1, processes=1, cpu_percent=1, memory_bytes=1)
    sample = replace(Board(stage.site.home, clock, lambda: []).now(), processes=(process,))
    known = {each.name: each for each in MEASURES}
    for value in collect(stage.site, stage.people.viewer, sample):
        assert len(value.labels) == len(known[value.measure].labels), value.measure
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    assert [each.name for each in MEASURES if f"| `{each.name}` |" not in page] == []


def test_names_of_others_are_escaped_and_bounded() -> None:
    labels = ("fuel", "production", HOSTILE)
    text = exposition([Value("tidemill_drift", labels, 0.3), Value("tidemill_drift", (*labels[:2], HOSTILE + "y"), 9)])
    ((name, told),) = samples(text)
    assert name == "tidemill_drift"
    assert told[2].startswith('a"b\\c\nd{x="y"} # HELP ? 車')
    assert len(told[2]) == 120
    assert len([line for line in text.decode().splitlines() if not line.startswith("#")]) == 1


def test_a_scraper_needs_a_token(platform: Platform) -> None:
    client = TestClient(create_app(platform), base_url="http://localhost")
    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {local_token(platform.site)}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_the_rules_and_the_dashboard_ask_for_metrics_that_there_are() -> None:
    kinds = {"histogram": ("_bucket",), "counter": ("",), "gauge": ("",)}
    known = {each.name + ending for each in MEASURES for ending in kinds[each.kind]}
    panels = json.loads((DEPLOY / "grafana" / "tidemill.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    rules = re.sub(r"alert: \w+", "", (DEPLOY / "prometheus" / "alerts.yml").read_text())
    names = set(re.findall(r"\btidemill_\w+", " ".join([*asked, rules])))
    assert len(names) > 10
    assert names <= known


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool; scripts/setup tests installs it")
def test_prometheus_takes_the_rules_and_the_text(made: Metrics, stage: Stage) -> None:
    rules = DEPLOY / "prometheus" / "alerts.yml"
    checked = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    text = made.text(stage.people.viewer)
    linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert b"error while linting" not in linted.stderr

"""The rules of a service: from `[monitor]`, checked, applied, and in place of the usual ones."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import People
from tests.unit.project.test_plan import TEXT, asked, document

from tidemill.base.errors import Forbidden, InvalidInput
from tidemill.base.events import events_after
from tidemill.base.site import Site
from tidemill.monitoring.rules import AlertKind, Rules, Task, bind_rules, parse_rules, rules_of
from tidemill.project import load_project
from tidemill.project.apply import apply_project
from tidemill.project.plan import plan_project

MONITOR = """
[monitor]
window = "15m"
slices = ["year"]
key = "weight"
alerts = ["drift", "performance"]
for = 3
[monitor.drift]
threshold = 0.3
[monitor.performance]
task = "regression"
metric = "rmse"
factor = 2
[monitor.quality]
rejected = 0.5
"""


def test_what_the_table_says_becomes_the_rules_and_the_rest_is_as_usual() -> None:
    found = parse_rules(tomllib.loads(MONITOR)["monitor"], place="monitor")
    assert found == Rules(
        window_seconds=900,
        slices=("year",),
        key="weight",
        alerts=(AlertKind.DRIFT, AlertKind.PERFORMANCE),
        windows_to_raise=3,
        drift_threshold=0.3,
        task=Task.REGRESSION,
        metric="rmse",
        factor=2,
        rejected_share=0.5,
    )
    assert parse_rules({}, place="monitor") == Rules()


def test_windows_of_few_rows_need_no_more_than_they_have() -> None:
    assert parse_rules({"window_rows": 20}, place="m").min_rows == 20
    assert parse_rules({"window_rows": 500}, place="m").min_rows == 50


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"window": "1h", "window_rows": 5}, "m.window_rows"),
        ({"window": "soon"}, "m.window"),
        ({"window": "1s"}, "m.window"),
        ({"window": "32d"}, "m.window"),
        ({"window": "1h\n"}, "m.window"),
        ({"window_rows": 20, "min_rows": 30}, "m.min_rows"),
        ({"drift": {"significance": 1.0}}, "m"),
        ({"drift": {"threshold": 0}}, "m.drift.threshold"),
        ({"performance": {"factor": 1}}, "m.performance.factor"),
        ({"performance": {"metric": "mape"}}, "m.performance.metric"),
        ({"performance": {"metric": "mae", "task": "classification"}}, "m.performance.metric"),
    ],
)
def test_rules_that_contradict_themselves_are_refused_with_the_field(table: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_rules(table, place="m")
    assert caught.value.place == place


def test_an_apply_writes_the_rules_and_without_the_table_the_usual_ones_hold(site: Site, people: People) -> None:
    with site.database.read() as connection:
        assert rules_of(connection, people.author.namespace_id, "fuel") == Rules()
    apply_project(site, people.author, "small", asked(document(TEXT + MONITOR)))
    with site.database.read() as connection:
        assert rules_of(connection, people.author.namespace_id, "fuel").window_seconds == 900
        changed = events_after(connection, namespace_id=people.author.namespace_id, number=0, kinds=["monitor.changed"])
    assert [each.subject_id for each in changed] == ["fuel"]
    plan = plan_project(site, people.author, "small", asked(document(), base=1))
    assert "monitor.window" in {each.field for each in plan.changes if each.given_up}
    apply_project(site, people.author, "small", asked(document(), base=1))
    with site.database.read() as connection:
        assert rules_of(connection, people.author.namespace_id, "fuel") == Rules()


@pytest.mark.parametrize(
    ("change", "place", "remedy"),
    [
        (('["year"]', '["yaer"]'), "monitor.slices", "year"),
        (('key = "weight"', 'key = "id"'), "monitor.key", None),
        (("threshold = 0.3", 'statistic = "psy"'), "monitor.drift.statistic", "psi"),
        (('"15m"', '"15"'), "monitor.window", "15m"),
    ],
)
def test_what_names_nothing_is_refused_before_it_is_applied(
    site: Site, people: People, change: tuple[str, str], place: str, remedy: str | None
) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply_project(site, people.author, "small", asked(document(TEXT + MONITOR, change)))
    assert place in (caught.value.place or "")
    assert remedy is None or remedy in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "table", ["window = 5", 'alerts = ["noise"]', "colour = 1", "for = 0", "[monitor.drift]\nthreshold = -1"]
)
def test_a_wrong_key_or_kind_is_refused_with_its_line(tmp_path: Path, table: str) -> None:
    (tmp_path / "tidemill.toml").write_text(TEXT + "[monitor]\n" + table)
    with pytest.raises(InvalidInput) as caught:
        load_project(tmp_path)
    assert "monitor" in (caught.value.place or "")


def test_a_viewer_writes_no_rules(site: Site, people: People) -> None:
    with site.database.write() as connection, pytest.raises(Forbidden):
        bind_rules(connection, site, people.viewer, "fuel", Rules())

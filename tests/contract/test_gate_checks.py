"""What every check of the gate keeps to, the built-in ones and the tests' own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import SettledCheck, add_version, make_tables

from tidemill.artifacts import Artifact
from tidemill.base.canonical import canonical_json
from tidemill.base.errors import NotFound, TidemillError
from tidemill.base.events import last_event_number
from tidemill.base.site import Site
from tidemill.gate import CheckState, Policy
from tidemill.gate.checks import Check, CheckContext
from tidemill.gate.checks.hygiene import HygieneCheck
from tidemill.gate.checks.leak import LeakCheck
from tidemill.gate.checks.smoke import SmokeCheck
from tidemill.gate.checks.threshold import ThresholdCheck
from tidemill.gate.checks.time_split import TimeSplitCheck
from tidemill.gate.policy import Hygiene, Leak, Threshold

POLICY = Policy(
    thresholds=(Threshold(metric="mae", max=9), Threshold(metric="unknown", max=9)),
    hygiene=Hygiene(evaluation=("a.b",), training=("a.c",), time="when"),
    leak=Leak(rows="a.b", target="a.d"),
)


class Nothing:
    """A run that gave nothing."""

    def artifact(self, reference: str) -> Artifact:
        raise NotFound(f"there is no {reference}")


@pytest.fixture
def context(site: Site, people: People) -> CheckContext:
    """A version whose run, package and metrics are not there."""
    make_tables(site)
    version = add_version(site, people.author)
    return CheckContext(
        site=site, version=version, policy=POLICY, environment="production", service="fuel", outputs=Nothing()
    )


@pytest.mark.parametrize(
    "check",
    [
        ThresholdCheck(),
        HygieneCheck(),
        TimeSplitCheck(),
        LeakCheck(),
        SmokeCheck(),
        SettledCheck("own", CheckState.FAILED),
    ],
    ids=lambda check: check.name,
)
class TestACheck:
    """The contract of `Check`."""

    def test_has_a_plain_name(self, check: Check, context: CheckContext) -> None:
        assert check.name.isidentifier()

    def test_does_not_pass_what_it_cannot_find_out(self, check: Check, context: CheckContext) -> None:
        try:
            result = check.run(context)
        except TidemillError:
            return
        assert result.state is CheckState.FAILED
        assert result.summary
        canonical_json(result.evidence)

    def test_finds_the_same_again_and_writes_nothing(self, check: Check, context: CheckContext) -> None:
        def outcome() -> object:
            try:
                return check.run(replace(context))
            except TidemillError as problem:
                return problem.to_json()

        with context.site.database.read() as connection:
            before = last_event_number(connection)
        assert outcome() == outcome()
        with context.site.database.read() as connection:
            assert last_event_number(connection) == before

"""A process that reads tables and fails, in whatever way: the check fails with the reason, and never passes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.conftest import People
from tests.unit.gate.candidates import PASSING, open_for
from tests.unit.gate.tables import Outputs
from tests.unit.gate.test_checks import TRAIN, context, hygiene

from tidemill.base import apart
from tidemill.base.errors import Conflict
from tidemill.base.site import Site
from tidemill.gate import CheckState, approve
from tidemill.gate.checks import CheckContext
from tidemill.gate.checks.hygiene import HygieneCheck
from tidemill.gate.model import CheckResult, ReviewCheck
from tidemill.tables import ask

FINE = """print('{"rows": 2, "comparisons": []}', flush=True)"""
"""What a check would pass by."""
CASES = {
    "dies": (f"{FINE}\nimport os\nos.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
    "fails": (f"{FINE}\nraise ValueError('<b>no</b>')", "ValueError: <b>no</b>"),
    "hangs": (f"{FINE}\nimport time\ntime.sleep(3600)", "it took more than 0.5 s"),
    "takes too much": (f"{FINE}\nbytearray(1 << 46)", "it ran out of memory (MemoryError)"),
    "answers twice": (f"{FINE}\n{FINE}", "it did not answer in JSON"),
    "answers otherwise": ("print('[]')", "the answer is none"),
}


def checked(site: Site, people: People, outputs: Outputs) -> tuple[str, str, ReviewCheck]:
    """A review with the hygiene check over strangers; its id, its digest, the check."""
    outputs.put_table("split.train", TRAIN)
    outputs.put_table("split.test", {"weight": [1.0, 2.0], "year": [1, 2]})
    found = context(site, people, hygiene(), outputs)

    class Bound:
        name = "hygiene"

        def run(self, _: CheckContext) -> CheckResult:
            return HygieneCheck().run(found)

    review = open_for(site, people.author, found.version, checks={**PASSING, "hygiene": Bound()}, policy=hygiene())
    return review.id, review.package_digest, {check.name: check for check in review.checks}["hygiene"]


def test_a_process_of_its_own_finds_the_same(site: Site, people: People) -> None:
    assert checked(site, people, Outputs(site))[2].summary == "2 evaluation rows, 0 of them seen in training or tuning"


@pytest.mark.parametrize("case", CASES)
def test_one_that_fails_is_a_failed_check(
    site: Site, people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    program, said = CASES[case]
    (tmp_path / "broken.py").write_text(program)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(ask, "MODULE", "broken")
    monkeypatch.setattr(ask, "TIMEOUT_SECONDS", 0.5 if case == "hangs" else 60)
    review_id, digest, check = checked(site, people, Outputs(site))
    assert (check.state, said in check.summary) == (CheckState.FAILED, True), check.summary
    with pytest.raises(Conflict, match="hygiene"):
        approve(site, people.approver, review_id, digest)


def test_one_that_found_no_room_is_tried_again(site: Site, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may ask for other processes makes no check fail."""
    monkeypatch.setattr(apart, "_room", threading.BoundedSemaphore(1))
    monkeypatch.setattr(ask, "TIMEOUT_SECONDS", 0.1)
    with apart._room:
        review_id, digest, check = checked(site, people, Outputs(site))
    assert (check.state, check.summary[:24]) == (CheckState.PENDING, "will be tried again: the")
    with pytest.raises(Conflict, match="not every check has run yet"):
        approve(site, people.approver, review_id, digest)

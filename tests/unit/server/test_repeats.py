"""A request whose server died over it is repeated with its key: whatever the moment, what it does is done once.

Each named test goes red when its guard is off: `SERVER_GUARDS_OFF=done pytest tests/unit/server/test_repeats.py`, or
`holders`, or `fencing`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, update
from starlette.testclient import TestClient
from tests.conftest import POSTGRES_URL, People
from tests.unit.gate.candidates import add_version, open_for
from tests.unit.gate.project_runs import project_runs_on
from tests.unit.monitoring.traffic import an_alert, open_stage
from tests.unit.server.test_app import _all_routes
from tests.unit.serving.test_reconcile import Bench

from tidemill.access import local_token
from tidemill.base import repeats
from tidemill.base.canonical import canonical_json
from tidemill.base.errors import Conflict
from tidemill.base.events import event_rows
from tidemill.base.process import start_ticks, this_host
from tidemill.base.repeats import recorded
from tidemill.base.site import Site
from tidemill.engine import RunRequest, State, cancel_run, resume_run, submit_run
from tidemill.engine.store import run_rows
from tidemill.engine.testing import Step, pipeline_of
from tidemill.gate import (
    PipelineReviewRequest,
    Policy,
    approve,
    open_pipeline_review,
    reject,
    rollback,
    withdraw,
)
from tidemill.monitoring.alerts import Alert, acknowledge_alert, silence_alert
from tidemill.monitoring.alerts import store as alert_store
from tidemill.monitoring.feedback import FeedbackRequest, leave_feedback
from tidemill.monitoring.truth import TruthItem
from tidemill.monitoring.truth.deliver import deliver_truth
from tidemill.platform import Platform
from tidemill.project.apply import apply_project
from tidemill.project.model import ApplyRequest
from tidemill.registry.retire import retire_version
from tidemill.server import idempotency, store
from tidemill.server.app import create_app
from tidemill.server.store import answer_rows
from tidemill.serving import ServiceSpec, apply_service, delete_service
from tidemill.serving.rollout import RolloutPlan
from tidemill.serving.rollout.steer import pause, promote, resume, roll_back
from tidemill.tuning import Direction, TuningRequest, advance_tuning, cancel_tuning, parse_space, start_tuning

OFF = set(filter(None, os.environ.get("SERVER_GUARDS_OFF", "").split(",")))
PIPELINE = pipeline_of(Step(name="only", inputs={"x": "$x"}), parameters={"x": float})
RUN = {"spec": canonical_json(PIPELINE.raw).decode(), "parameters": {"x": 1.0}}
TUNING = TuningRequest(
    pipeline=PIPELINE,
    space=parse_space({"x": {"type": "float", "low": 0.0, "high": 1.0}}),
    objective="only.loss",
    direction=Direction.MINIMIZE,
    trials=2,
)


@pytest.fixture(autouse=True)
def guards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guards that the environment switches off."""
    if "done" in OFF:
        monkeypatch.setattr(idempotency.KeyRecord, "done", ())
        monkeypatch.setattr(Notes, "known", lambda self: ())
    if "holders" in OFF:
        monkeypatch.setattr(store, "_is_free", lambda row, now: row.attempt is None)
    if "fencing" in OFF:
        monkeypatch.setattr(store, "_holds", store._is)


# --- every verb knows what it did


@dataclass
class Notes:
    """A `Record` in memory; `again` is that of the next attempt."""

    before: Sequence[tuple[str, str]] = ()
    noted: list[tuple[str, str]] = field(default_factory=list)

    @property
    def done(self) -> Sequence[tuple[str, str]]:
        return self.known()

    def known(self) -> Sequence[tuple[str, str]]:
        """What earlier attempts did."""
        return self.before

    def note(self, connection: Connection, kind: str, subject_id: str) -> None:
        self.noted.append((kind, subject_id))

    def again(self) -> Notes:
        """The record of a repeated request."""
        return Notes(before=tuple(self.noted))


Verb = Callable[[], Any]


def _submit(site: Site, people: People) -> Verb:
    return lambda: submit_run(site, people.author, RunRequest(pipeline=PIPELINE, parameters={"x": 1.0})).id


def _cancel(site: Site, people: People) -> Verb:
    run_id = _submit(site, people)()

    def verb() -> str:
        found = cancel_run(site, people.author, run_id).id
        _to_state(site, run_id, State.CANCELED)  # a worker is done with it meanwhile
        return found

    return verb


def _resume(site: Site, people: People) -> Verb:
    run_id = _submit(site, people)()
    _to_state(site, run_id, State.FAILED)
    return lambda: resume_run(site, people.author, run_id).state


def _start_tuning(site: Site, people: People) -> Verb:
    return lambda: start_tuning(site, people.author, TUNING).id


def _cancel_tuning(site: Site, people: People) -> Verb:
    tuning_id = _start_tuning(site, people)()
    return lambda: cancel_tuning(site, people.author, tuning_id).state


def _open(site: Site, people: People) -> Verb:
    version = add_version(site, people.author)
    return lambda: open_for(site, people.author, version).id


def _open_for_pipeline(site: Site, people: People) -> Verb:
    with project_runs_on(site, people) as runs:
        run_id = runs.run().id
    request = PipelineReviewRequest(run_id=run_id, environment="production", service="fuel", policy=Policy())
    return lambda: open_pipeline_review(site, people.author, request).id


def _approve(site: Site, people: People) -> Verb:
    version = add_version(site, people.author)
    review = open_for(site, people.author, version)
    return lambda: approve(site, people.approver, review.id, version.package_digest).state


def _reject(site: Site, people: People) -> Verb:
    review = open_for(site, people.author, add_version(site, people.author))
    return lambda: reject(site, people.approver, review.id, "too few rows").state


def _withdraw(site: Site, people: People) -> Verb:
    review = open_for(site, people.author, add_version(site, people.author))
    return lambda: withdraw(site, people.author, review.id).state


def _roll_back(site: Site, people: People) -> Verb:
    for _ in range(3):
        _approve(site, people)()
    return lambda: rollback(site, people.owner, environment="production", service="fuel").model_version_id


def _roll_back_service(site: Site, people: People) -> Verb:
    apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    for _ in range(3):
        _approve(site, people)()
    return lambda: roll_back(site, people.owner, "fuel").model_version_id


def _rolling_out(site: Site, people: People) -> None:
    plan = RolloutPlan(steps=(10, 50, 100))
    apply_service(site, people.author, ServiceSpec(name="fuel", rollout=plan))
    bench = Bench(site, people)
    for version in ("v1", "v2"):
        bench.source.live["fuel"] = version
        bench.turn()


def _promote(site: Site, people: People) -> Verb:
    _rolling_out(site, people)
    return lambda: getattr(promote(site, people.owner, "fuel"), "percent", None)


def _pause(site: Site, people: People) -> Verb:
    _rolling_out(site, people)
    return lambda: pause(site, people.owner, "fuel").paused


def _resume_rollout(site: Site, people: People) -> Verb:
    _rolling_out(site, people)
    pause(site, people.owner, "fuel")
    return lambda: resume(site, people.owner, "fuel").paused


def _retire(site: Site, people: People) -> Verb:
    version = add_version(site, people.author)
    return lambda: retire_version(site, people.owner, version.id).state


def _apply(site: Site, people: People) -> Verb:
    apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    changed = ServiceSpec(name="fuel", model="fuel", timeout_seconds=5)
    return lambda: apply_service(site, people.author, changed, generation=1).generation


def _delete(site: Site, people: People) -> Verb:
    apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    return lambda: delete_service(site, people.author, "fuel", force=True)


def _deliver_truth(site: Site, people: People) -> Verb:
    apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    items = [TruthItem(prediction_id="gone", value=1.0)]
    return lambda: deliver_truth(site, people.author, "fuel", items, match=lambda *_: [[]]).id


def _alert(site: Site, people: People) -> Alert:
    stage = open_stage(site, people)
    alert = an_alert(stage)
    with site.database.write() as connection:
        alert_store.insert_alert(connection, alert)
    return alert


def _leave_feedback(site: Site, people: People) -> Verb:
    apply_service(site, people.author, ServiceSpec(name="fuel", model="fuel"))
    request = FeedbackRequest(prediction_id="p", rating=4)
    return lambda: leave_feedback(site, people.viewer, "fuel", request, match=lambda *_: [[("p", 0)]]).id


def _acknowledge(site: Site, people: People) -> Verb:
    alert = _alert(site, people)
    return lambda: acknowledge_alert(site, people.owner, alert.id).acknowledged_by


def _silence(site: Site, people: People) -> Verb:
    alert, until = _alert(site, people), site.clock.now() + timedelta(hours=1)
    return lambda: silence_alert(site, people.owner, alert.id, until).generation


def _apply_project(site: Site, people: People) -> Verb:
    tables = {"project": {"name": "small", "notebook": "n.ipynb"}, "service": {"name": "fuel"}}
    request = ApplyRequest(document=tables)
    return lambda: apply_project(site, people.author, "small", request, generation=0)


REPEATED: dict[str, Callable[[Site, People], Verb]] = {
    "POST /runs": _submit,
    "POST /runs/{run_id}/cancel": _cancel,
    "POST /runs/{run_id}/resume": _resume,
    "POST /tunings": _start_tuning,
    "POST /tunings/{tuning_id}/cancel": _cancel_tuning,
    "POST /reviews": _open,
    "POST /pipeline-reviews": _open_for_pipeline,
    "POST /reviews/{review_id}/approve": _approve,
    "POST /reviews/{review_id}/reject": _reject,
    "POST /reviews/{review_id}/withdraw": _withdraw,
    "POST /rollbacks": _roll_back,
    "POST /model-versions/{reference}/retire": _retire,
    "PUT /services/{name}": _apply,
    "DELETE /services/{name}": _delete,
    "POST /services/{name}/promote": _promote,
    "POST /services/{name}/pause": _pause,
    "POST /services/{name}/resume": _resume_rollout,
    "POST /services/{name}/rollback": _roll_back_service,
    "PUT /projects/{name}": _apply_project,
    "POST /services/{name}/truth": _deliver_truth,
    "POST /services/{name}/feedback": _leave_feedback,
    "POST /alerts/{alert_id}/acknowledge": _acknowledge,
    "POST /alerts/{alert_id}/silence": _silence,
}
HARMLESS = {
    "POST /models/{model}/versions": "the same package of the same run is the version that it became",
    "POST /sign-in-codes": "a code that nobody was told ends after minutes",
    "POST /tokens": "a token whose secret nobody was told opens nothing",
    "DELETE /tokens/{token_id}": "a token that is revoked stays so",
    "POST /services/{name}/token": "it is signed, not kept",
    "POST /data/versions": "a content of a dataset is one version",
    "POST /data/offers": "the same content of the same version is one artifact",
    "POST /data/uploads": "the same content of the same version is one artifact",
    "POST /projects/{name}/plan": "it only looks",
    "POST /triggers/{name}/fire": "the key of the request is the key of the firing",
    "POST /triggers/{name}/pause": "a trigger that is paused stays so",
    "POST /triggers/{name}/resume": "a trigger at work stays so",
    "POST /triggers/{name}/secret": "it only tells",
    "POST /api/v1/hooks/{trigger_id}": "the delivery is the key of the firing",
    **{
        f"{method} /mlflow/{{path:path}}": "MLflow's own, on which nothing here depends"
        for method in ("POST", "PUT", "PATCH", "DELETE")
    },
    "POST /outbox/{effect_id}/retry": "an effect that waits goes on waiting",
    "DELETE /outbox/{effect_id}": "what is gone stays so",
    "POST /notify/test": "a test message may come twice",
}


def test_every_route_that_changes_something_says_what_becomes_of_it_when_it_is_repeated(platform: Platform) -> None:
    found = {
        f"{method} {getattr(route, 'path', '')}"
        for route in _all_routes(list(create_app(platform).routes))
        for method in getattr(route, "methods", None) or ()
        if method in idempotency.UNSAFE
    }
    assert found == {*REPEATED, *HARMLESS}


@pytest.mark.parametrize("route", list(REPEATED))
def test_done_a_repeated_verb_answers_with_what_it_did_and_does_it_no_more(
    site: Site, people: People, route: str
) -> None:
    verb = REPEATED[route](site, people)
    first = Notes()
    with recorded(first):
        told = verb()
    assert first.noted, "it told no event, so that nobody could know"
    events = _events(site)
    with recorded(first.again()):
        assert verb() == told
    assert _events(site) == events


def test_a_repeated_cancel_goes_on_with_the_runs_that_the_first_one_did_not_reach(
    site: Site, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuning_id = start_tuning(site, people.author, TUNING).id
    trials = advance_tuning(site, people.author.namespace_id, tuning_id).trials
    run_ids = [trial.run_id or "" for trial in trials]
    first = Notes()
    with monkeypatch.context() as patch, recorded(first):
        patch.setattr("tidemill.tuning.cancel.cancel_run", _die)
        with pytest.raises(KeyboardInterrupt):
            cancel_tuning(site, people.author, tuning_id)
    assert [_state(site, run_id) for run_id in run_ids] == [State.PENDING] * 2
    with recorded(first.again()):
        cancel_tuning(site, people.author, tuning_id)
    assert [_state(site, run_id) for run_id in run_ids] == [State.CANCELING] * 2


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_outside_a_request_nothing_is_known() -> None:
    assert repeats.subject_done("run.submitted") is None
    assert not repeats.was_done("run.submitted", "x")


# --- the key, from one server to the next


@pytest.fixture
def platform(site: Site) -> Iterator[Platform]:
    """A platform on the site's home and database."""
    made = Platform(home=site.home.path, flags={"database_url": POSTGRES_URL or None})
    yield made
    made.site.database.close()


@dataclass
class Client:
    """Sends the same run under one key, to a server that may die."""

    platform: Platform
    http: TestClient
    headers: dict[str, str]

    def send(self, **changes: Any) -> Any:
        """The reply to a run under the key."""
        return self.http.post("/api/v1/runs", json={**RUN, **changes}, headers=self.headers)

    def runs(self) -> list[str]:
        """The ids of all runs."""
        with self.platform.site.database.read() as connection:
            return [row.id for row in connection.execute(select(run_rows.c.id))]

    def holder(self, **values: Any) -> None:
        """Change who holds the key."""
        with self.platform.site.database.write() as connection:
            assert connection.execute(update(answer_rows).values(**values)).rowcount == 1


@pytest.fixture
def client(platform: Platform) -> Client:
    """A client with the owner's token and a key."""
    headers = {"Authorization": f"Bearer {local_token(platform.site)}", "Idempotency-Key": "k1"}
    http = TestClient(create_app(platform), base_url="http://localhost", raise_server_exceptions=False)
    return Client(platform=platform, http=http, headers=headers)


GONE = {"start_ticks": (start_ticks(os.getpid()) or 0) + 1}


@contextmanager
def _dying(monkeypatch: pytest.MonkeyPatch, function: str) -> Iterator[None]:
    """A server that is dead when it comes to `function`: nothing of it and after it is written."""
    with monkeypatch.context() as patch:

        def die(*_: object) -> None:
            raise RuntimeError("kill -9")

        if function != "_end":
            patch.setattr("tidemill.engine.api.submit_run", die)
        patch.setattr(idempotency, "_end", die)
        yield


@pytest.mark.parametrize(("moment", "runs"), [("submit_run", 0), ("_end", 1)])
def test_holders_the_key_of_a_dead_server_is_taken_over_at_once_and_one_run_comes_of_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, moment: str, runs: int
) -> None:
    with _dying(monkeypatch, moment):
        assert client.send().status_code == 500
    assert len(client.runs()) == runs
    client.holder(**GONE)
    answered = client.send()
    assert answered.status_code == 201, answered.text
    assert client.runs() == [answered.json()["id"]]
    replayed = client.send()
    assert replayed.headers["idempotent-replay"] == "true"
    assert replayed.json() == answered.json()


def test_holders_the_key_of_a_server_elsewhere_is_taken_over_when_it_says_nothing_more(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _dying(monkeypatch, "_end"):
        client.send()
    client.holder(host="elsewhere", **GONE)
    waiting = client.send()
    assert (waiting.status_code, waiting.json()["error"]) == (409, "still_at_work")
    client.holder(held_until=client.platform.site.clock.now() - timedelta(seconds=1))
    assert client.send().status_code == 201
    assert len(client.runs()) == 1


def test_a_request_at_work_is_not_taken_over(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    with _dying(monkeypatch, "_end"):
        client.send()
    client.holder(host=this_host(), pid=os.getpid())
    waiting = client.send()
    assert (waiting.status_code, waiting.json()["error"]) == (409, "still_at_work")


def test_another_request_does_not_take_over_the_key_of_a_dead_server(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _dying(monkeypatch, "_end"):
        client.send()
    client.holder(**GONE)
    assert client.send(name="another").json()["error"] == "conflict"
    assert len(client.runs()) == 1


def test_fencing_a_server_that_slept_while_another_took_its_key_writes_nothing(platform: Platform) -> None:
    site = platform.site
    slept, took = (store.Attempt(namespace_id="n", key="k1", id=site.ids.new()) for _ in range(2))
    now = site.clock.now()
    for attempt, moment in ((slept, now), (took, now + store.HELD)):
        with site.database.write() as connection:
            assert store.reserve(connection, attempt, request_digest="d", person="ada", now=moment) == attempt
    with pytest.raises(Conflict, match="took over"), site.database.write() as connection:
        store.note(connection, slept, "run.submitted", "r1")
    with site.database.write() as connection:
        store.keep(connection, slept, status=201, content_type="", body=b"late")
        store.give_back(connection, slept)
        store.note(connection, took, "run.submitted", "r2")
    with site.database.read() as connection:
        (row,) = connection.execute(select(answer_rows))
    assert (row.attempt, row.status, row.done) == (took.id, None, [["run.submitted", "r2"]])


def test_an_error_after_the_run_was_made_leaves_the_key_with_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the note the key would be free, and the repeated request would make another run."""
    with monkeypatch.context() as patch:
        patch.setattr("tidemill.engine.api.run_view", lambda _: 1 / 0)
        assert client.send().status_code == 500
    answered = client.send()
    assert answered.status_code == 201
    assert client.runs() == [answered.json()["id"]]


def test_a_request_that_takes_long_says_that_it_lives(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[str] = []
    monkeypatch.setattr(idempotency, "HOLD_SECONDS", 0.001)
    monkeypatch.setattr(idempotency, "_hold", lambda site, attempt: held.append(attempt.id))

    def slow(*given: Any) -> Any:
        while not held:
            pass
        return submit_run(*given)

    monkeypatch.setattr("tidemill.engine.api.submit_run", slow)
    assert client.send().status_code == 201
    assert len(set(held)) == 1


def _events(site: Site) -> int:
    with site.database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(event_rows)).scalar_one())


def _state(site: Site, run_id: str) -> State:
    with site.database.read() as connection:
        return State(connection.execute(select(run_rows.c.state).where(run_rows.c.id == run_id)).scalar_one())


def _to_state(site: Site, run_id: str, state: State) -> None:
    with site.database.write() as connection:
        connection.execute(update(run_rows).where(run_rows.c.id == run_id).values(state=state.value))

"""The loop of a classifier: another market comes, its errors start a run, and a broken model is taken back."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from tests.acceptance.command_line import CommandLine, until
from tests.acceptance.gateway_client import Service
from tests.acceptance.projects.churn.subscribers import Subscriber, later_subscribers, written

SECONDS = 120.0
QUESTIONS, AFTERWARDS, EVERY = 300, 150, 5
NOT_ASKED = ("subscriber", "outcome")
AT_A_TIME, PAUSE_SECONDS = 3, 0.02
TRIGGER = "wrong-too-often"
IMPORTS = ("import OneHotEncoder,", "import FunctionTransformer, OneHotEncoder,")
Found = Mapping[str, Any]
Asked = tuple[int, str, Subscriber]
"""A request: its status, the id of its prediction, and whom it was about."""
CLASSIFIER = "classifier = make_pipeline(\n"
USUAL = """usual = train_rows.groupby("plan")["monthly fee"].median().to_dict()


def against_the_usual(table):
    return table.assign(**{"monthly fee": table["monthly fee"] - [usual[plan] for plan in table["plan"]]})


classifier = make_pipeline(
    FunctionTransformer(against_the_usual),
"""


def the_loop_closes(tidemill: CommandLine, service: Service) -> None:
    """Three of the beats of the demo, on this data: drift to a better version, a broken canary, one prediction."""
    known, others = later_subscribers()[:400], later_subscribers()[400:]
    better = another_market_makes_its_own_version(tidemill, service, known, others)
    a_broken_model_is_taken_back(tidemill, service, others)
    one_prediction_names_who_approved_its_code(tidemill, service, others, better)


def another_market_makes_its_own_version(
    tidemill: CommandLine, service: Service, known: Sequence[Subscriber], others: Sequence[Subscriber]
) -> str:
    api = Api(tidemill)
    before = ask(service, drawn(known))
    with (tidemill.folder / "subscribers.csv").open("a", encoding="utf-8") as file:
        file.write(written(known, header=False))
    tidemill("data", "add", "subscribers.csv")
    tidemill("data", "push")
    api.alert("drift", "monthly fee")
    api.alert("quality", "region")
    tell_truth(tidemill, before)
    worse = api.alert("performance")
    firing = api.ended(f"/triggers/{TRIGGER}/firings", lambda each: each["finished_at"])
    assert firing["state"] == "passed", firing["reason"]
    asked: list[Asked] = []
    with asking(service, drawn(others), asked):
        rollout = api.ended("/services/churn/rollouts", of_version(firing["model_version_id"]))
        assert rollout["state"] == "promoted", rollout["reason"]
        answered = len(asked)
        until(lambda: len(asked) > answered + AFTERWARDS, "more answers", SECONDS)
    assert {each[0] for each in asked} == {200}
    tell_truth(tidemill, asked[answered:])
    window = api.ended(
        "/services/churn/monitoring",
        lambda each: each["revision_id"] == rollout["revision_id"] and "performance" in each["judged"],
        items="windows",
    )
    metric = window["performance"]["metric"]
    right, approved = window["performance"]["metrics"][metric], float(window["performance"]["baseline"])
    assert worse["value"] < right, "it is right as often as before"
    assert 1 - worse["value"] > 1.5 * (1 - approved)
    return str(firing["model_version"])


def a_broken_model_is_taken_back(tidemill: CommandLine, service: Service, others: Sequence[Subscriber]) -> None:
    notebook = tidemill.folder / "churn.ipynb"
    text = notebook.read_text(encoding="utf-8")
    for edit in (IMPORTS, (CLASSIFIER, USUAL)):
        old, new = (json.dumps(words)[1:-1] for words in edit)
        assert text.count(old) == 1
        text = text.replace(old, new)
    notebook.write_text(text, encoding="utf-8")
    run = tidemill.json("run")
    review = tidemill.json("review", "open", run["run_id"])
    assert review["checks_state"] == "passed"
    rows = [{**each, "plan": "satellite"} if number % EVERY == 0 else each for number, each in enumerate(drawn(others))]
    token = tidemill.json("token", "create", "--person", "ada", "--role", "approver")["secret"]
    asked: list[Asked] = []
    with asking(service, rows, asked):
        decided = tidemill.json("review", "approve", review["id"], token=token)
        rollout = Api(tidemill).ended("/services/churn/rollouts", of_version(decided["model_version_id"]))
    assert rollout["state"] == "rolled_back"
    assert rollout["canary"]["failed"] > 0
    assert rollout["stable"]["failed"] == 0
    in_flight = sum(status != 200 for status, *_ in asked) - rollout["canary"]["failed"]
    assert 0 <= in_flight <= AT_A_TIME, "those that the gateway had not counted yet when it was read last"


def one_prediction_names_who_approved_its_code(
    tidemill: CommandLine, service: Service, others: Sequence[Subscriber], version: str
) -> None:
    ((_, prediction, row),) = ask(service, others[:1])
    lineage = tidemill.json("lineage", prediction)
    assert lineage["model_version"]["label"] == version
    assert lineage["prediction"]["inputs"] == [inputs_of(row)]
    assert lineage["review"]["automatic"]["approved_by"] == ["ada"]
    assert set(lineage["data_versions"]) == {"subscribers.csv"}


def drawn(subscribers: Sequence[Subscriber]) -> list[Subscriber]:
    """Whom people ask about: anybody, at random, and some of them again."""
    return random.Random(len(subscribers)).choices(subscribers, k=QUESTIONS)


def inputs_of(subscriber: Subscriber) -> dict[str, Any]:
    """What the model wants to know, as the notebook tidies it."""
    row = {name: value for name, value in subscriber.items() if name not in NOT_ASKED}
    return {**row, "plan": str(row["plan"]).lower(), "monthly fee": row["monthly fee"] or None}


def ask(service: Service, subscribers: Sequence[Subscriber]) -> list[Asked]:
    told = service.told_apart([(str(each["subscriber"]), inputs_of(each)) for each in subscribers])
    return [(status, prediction, each) for (status, prediction), each in zip(told, subscribers, strict=True)]


@contextmanager
def asking(service: Service, subscribers: Sequence[Subscriber], asked: list[Asked]) -> Iterator[None]:
    """Ask about them again and again while the block runs."""
    stop, turns = threading.Event(), itertools.count()

    def keep_asking() -> None:
        while not stop.wait(PAUSE_SECONDS):
            start = next(turns) * 10 % len(subscribers)
            asked.extend(ask(service, subscribers[start : start + 10]))

    threads = [threading.Thread(target=keep_asking, name="callers") for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def tell_truth(tidemill: CommandLine, asked: Sequence[Asked]) -> None:
    lines = [f"{prediction},{row['outcome']}" for status, prediction, row in asked if status == 200]
    (tidemill.folder / "outcomes.csv").write_text("\n".join(["prediction_id,outcome", *lines]), encoding="utf-8")
    tidemill("service", "truth", "churn", "outcomes.csv", "--column", "outcome")


def of_version(version_id: str) -> Callable[[Found], bool]:
    """Whether a rollout of that version has ended."""
    return lambda each: each["model_version_id"] == version_id and not each["active"]


class Api:
    """The site's API, as its owner asks it."""

    def __init__(self, tidemill: CommandLine) -> None:
        exports = dict(line.removeprefix("export ").split("=", 1) for line in tidemill("env").strip().splitlines())
        self._url = f"{exports['TIDEMILL_URL']}/api/v1"
        self._headers = {"authorization": f"Bearer {exports['TIDEMILL_TOKEN']}"}

    def ended(self, path: str, wanted: Callable[[Found], Any], *, items: str = "items") -> Found:
        """The first of a list that is wanted, once there is one."""
        found: list[Found] = []

        def look() -> bool:
            reply = httpx.get(f"{self._url}{path}", headers=self._headers, timeout=SECONDS)
            assert reply.status_code == 200, reply.text
            found.extend(each for each in reply.json()[items] if wanted(each))
            return bool(found)

        until(look, path, SECONDS)
        return found[0]

    def alert(self, kind: str, feature: str = "") -> Found:
        """The raised alert of a kind, about a feature."""
        return self.ended("/alerts?state=raised", lambda each: (each["kind"], each["feature"]) == (kind, feature))

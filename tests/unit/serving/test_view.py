"""A service as KServe's clients read it."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.serving.test_page import NOW, SERVICE

from tidemill.serving import Reason, Revision, RevisionState
from tidemill.serving.rollout.model import Rollout, RolloutState, Watched
from tidemill.serving.rollout.plan import RolloutPlan
from tidemill.serving.view import inference_service


def revision(number: int, state: RevisionState) -> Revision:
    return Revision(
        id=f"r{number}",
        namespace_id="n",
        service_id="s",
        number=number,
        model_version_id=f"v{number}",
        model_label=f"fuel@{number}",
        state=state,
        message="",
        created_by="ada",
        created_at=NOW,
        changed_at=NOW,
        generation=1,
    )


def rollout(percent: int) -> Rollout:
    return Rollout(
        id="o",
        namespace_id="n",
        service_id="s",
        pointer_generation=2,
        model_version_id="v2",
        revision_id="r2",
        revision=2,
        from_version_id="v1",
        from_revision_id="r1",
        from_revision=1,
        plan=RolloutPlan(steps=(10, 100)),
        state=RolloutState.HOLDING,
        percent=percent,
        paused=False,
        reason="",
        watched=Watched(),
        held_since=NOW,
        created_by="ada",
        created_at=NOW,
        changed_by="serving",
        changed_at=NOW,
        generation=3,
    )


def test_a_ready_service_has_its_address_conditions_and_traffic() -> None:
    revisions = [revision(2, RevisionState.LIVE), revision(1, RevisionState.STANDBY)]
    found = inference_service(SERVICE, revisions, site_url="http://h:8080")
    status = found["status"]
    assert (found["apiVersion"], found["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    assert status["url"] == "http://h:8080/serving/default/fuel"
    assert {each["type"]: each["status"] for each in status["conditions"]}["Ready"] == "True"
    assert status["observedGeneration"] == 1
    traffic = {"revisionName": "fuel-predictor-00002", "percent": 100, "latestRevision": True}
    assert status["components"]["predictor"]["traffic"] == [traffic]


def test_a_service_that_answers_while_its_pointer_does_not_prove_says_so() -> None:
    degraded = replace(SERVICE, reason=Reason.NOT_PROVEN, message="the pointer lies")
    status = inference_service(degraded, [revision(1, RevisionState.LIVE)], site_url="http://h")["status"]
    found = {each["type"]: each for each in status["conditions"]}
    assert found["Ready"]["status"] == "True"
    proven = found["LivePointerProven"]
    assert (proven["status"], proven["reason"], proven["message"]) == ("False", "NotProven", "the pointer lies")


def test_an_unapproved_service_is_not_ready_and_says_why() -> None:
    waiting = replace(SERVICE, ready=False, reason=Reason.AWAITING_APPROVAL, message="open a review")
    status = inference_service(waiting, [], site_url="http://h")["status"]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "AwaitingApproval", "open a review")
    assert "url" not in status
    assert status["modelStatus"]["states"]["activeModelState"] == "Pending"


def test_while_a_newer_revision_loads_traffic_names_the_older_one() -> None:
    loading = replace(SERVICE, reason=Reason.LOADING)
    revisions = [revision(2, RevisionState.STARTING), revision(1, RevisionState.LIVE)]
    predictor = inference_service(loading, revisions, site_url="http://h")["status"]["components"]["predictor"]
    assert predictor["latestCreatedRevision"] == "fuel-predictor-00002"
    assert predictor["latestReadyRevision"] == "fuel-predictor-00001"
    assert predictor["traffic"][0]["latestRevision"] is False


def test_in_a_rollout_both_revisions_and_the_share_are_named_as_kserve_does() -> None:
    rolling = replace(SERVICE, reason=Reason.ROLLING_OUT)
    revisions = [revision(2, RevisionState.CANARY), revision(1, RevisionState.LIVE)]
    found = inference_service(rolling, revisions, rollout(percent=10), site_url="http://h")
    assert found["spec"]["predictor"]["canaryTrafficPercent"] == 10
    predictor = found["status"]["components"]["predictor"]
    assert [(each["revisionName"], each["percent"], each["latestRevision"]) for each in predictor["traffic"]] == [
        ("fuel-predictor-00002", 10, True),
        ("fuel-predictor-00001", 90, False),
    ]
    ended = [revision(2, RevisionState.STOPPED), revision(1, RevisionState.LIVE)]
    found = inference_service(SERVICE, ended, rollout(percent=10), site_url="http://h")
    assert "canaryTrafficPercent" not in found["spec"]["predictor"]
    assert found["status"]["components"]["predictor"]["traffic"][0]["percent"] == 100

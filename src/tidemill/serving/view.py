"""A service in the shape of KServe's InferenceService (serving.kserve.io/v1beta1)."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from tidemill.serving.model import Reason, Revision, RevisionState, Service
from tidemill.serving.rollout.model import Rollout

API_VERSION, KIND = "serving.kserve.io/v1beta1", "InferenceService"


def inference_service(
    service: Service, revisions: list[Revision], rollout: Rollout | None = None, *, site_url: str
) -> dict[str, Any]:
    """The object as KServe's clients read it; `revisions` newest first, `site_url` without a slash at its end.

    `rollout` is the newest one.
    """
    live = next((each for each in revisions if each.state is RevisionState.LIVE), None)
    url = f"{site_url}{service.path}"
    stamp = _stamp(service)
    canary = next((each for each in revisions if each.state is RevisionState.CANARY), None)
    percent = rollout.percent if rollout is not None and canary is not None else 0
    metadata: dict[str, Any] = {
        "name": service.name,
        "namespace": service.namespace,
        "uid": service.id,
        "generation": service.generation,
        "creationTimestamp": service.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "annotations": {
            "tidemill/environment": service.spec.environment,
            "tidemill/access": service.spec.access.value,
        },
    }
    status: dict[str, Any] = {
        "observedGeneration": service.observed_generation,
        "conditions": _conditions(service, live, stamp),
        "components": {"predictor": _predictor(revisions, live, url, percent)},
        "modelStatus": _model_status(service, live),
    }
    if live is not None:
        status["url"] = url
        status["address"] = {"url": url}
    if service.deleting:
        metadata["deletionTimestamp"] = stamp
    predictor: dict[str, Any] = {"model": {"modelFormat": {"name": "tidemill"}, "name": service.spec.model}}
    if canary is not None:
        predictor["canaryTrafficPercent"] = percent
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": metadata,
        "spec": {"predictor": predictor},
        "status": status,
    }


def revision_name(service: str, number: int) -> str:
    """What a revision is called in the object, as Knative names them."""
    return f"{service}-predictor-{number:05d}"


def _conditions(service: Service, live: Revision | None, stamp: str) -> list[dict[str, Any]]:
    def condition(kind: str, holds: bool) -> dict[str, Any]:
        found: dict[str, Any] = {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": stamp}
        if not holds:
            found["reason"] = service.reason.value
            found["message"] = service.message
        return found

    conditions = [] if service.reason is not Reason.NOT_PROVEN else [condition("LivePointerProven", False)]
    return [
        *conditions,
        condition("IngressReady", live is not None),
        condition("PredictorReady", service.ready),
        condition("Ready", service.ready),
    ]


def _predictor(revisions: list[Revision], live: Revision | None, url: str, percent: int) -> dict[str, Any]:
    component: dict[str, Any] = {"url": url}
    if revisions:
        service = url.rsplit("/", 1)[-1]
        component["latestCreatedRevision"] = revision_name(service, revisions[0].number)
        if live is not None:
            name = revision_name(service, live.number)
            component["latestReadyRevision"] = name
            component["traffic"] = [
                # KServe's client reads latestRevision of every entry without a default
                {
                    "revisionName": revision_name(service, each.number),
                    "percent": percent if each.state is RevisionState.CANARY else 100 - percent,
                    "latestRevision": each.id == revisions[0].id,
                }
                for each in revisions
                if each.state in (RevisionState.LIVE, RevisionState.CANARY)
            ]
    return component


def _model_status(service: Service, live: Revision | None) -> dict[str, Any]:
    active = "Loaded" if live is not None else "Pending"
    target = {
        Reason.FAILED: "FailedToLoad",
        Reason.LOADING: "Loading",
        Reason.ROLLING_OUT: "Loaded",
        Reason.SERVING: "Loaded",
    }
    transition = {
        Reason.FAILED: "BlockedByFailedLoad",
        Reason.LOADING: "InProgress",
        Reason.SERVING: "UpToDate",
    }
    return {
        "states": {"activeModelState": active, "targetModelState": target.get(service.reason, "Pending")},
        "transitionStatus": transition.get(service.reason, "InProgress"),
    }


def _stamp(service: Service) -> str:
    return service.updated_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

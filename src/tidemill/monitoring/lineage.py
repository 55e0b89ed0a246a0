"""The verb trace_prediction: from one answer back to the data, the code and the person who let it through."""

from __future__ import annotations

from typing import Any

from tidemill.access import Actor
from tidemill.base.site import Site
from tidemill.engine import get_run
from tidemill.gate import trace_decision
from tidemill.monitoring.predictions import find_prediction


def trace_prediction(site: Site, actor: Actor, prediction_id: str) -> dict[str, Any]:
    """The chain of a prediction as JSON: prediction, revision, model version, reviews with approvers, run, data, code.

    `review` is the one that approved the version for this service. Raises `NotFound`, `InvalidInput`.
    """
    prediction = find_prediction(site, actor, prediction_id)
    decision = trace_decision(site, actor, prediction.model_version_id)
    run = get_run(site, actor, decision["run"]["id"])
    approved = [
        review
        for review in decision["reviews"]
        if review["state"] == "approved" and review["service"] == prediction.service
    ]
    return {
        "prediction": {
            "id": prediction.id,
            "time": prediction.time.isoformat(),
            "inputs": prediction.inputs,
            "outputs": prediction.outputs,
            "status": prediction.status,
        },
        "service": prediction.service,
        "revision": prediction.revision,
        "review": approved[0] if approved else None,
        **decision,
        "run": {
            **decision["run"],
            "pipeline": run.pipeline_name,
            "source": run.origin.get("file"),
            "started_at": None if run.started_at is None else run.started_at.isoformat(),
        },
    }

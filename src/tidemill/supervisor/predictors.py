"""Predictors live with the supervisor: the controller asks for them over the control socket."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.base.home import Home
from tidemill.serving.host import Launch, PredictorHost, PredictorState, PredictorStatus
from tidemill.supervisor.control import ask

_PATHS = ("socket", "python", "runtime", "heartbeat", "log")


class RemotePredictors:
    """The `PredictorHost` of a site's supervisor, as the controller sees it.

    It holds nothing, so that a controller that dies leaves every predictor and its socket as they are.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def start(self, launch: Launch) -> None:
        fields = dataclasses.asdict(launch) | {name: str(getattr(launch, name)) for name in _PATHS}
        ask(self._home, {"op": "start_predictor", "launch": fields})

    def status(self, revision_id: str) -> PredictorStatus:
        told = ask(self._home, {"op": "predictor_status", "revision_id": revision_id})["status"]
        return PredictorStatus(**{**told, "state": PredictorState(told["state"])})

    def stop(self, revision_id: str) -> None:
        ask(self._home, {"op": "stop_predictor", "revision_id": revision_id})

    def revisions(self) -> list[str]:
        return [str(each) for each in ask(self._home, {"op": "predictors"})["revisions"]]

    def close(self) -> None:
        """Nothing: the supervisor stops its predictors itself."""


def answer_for(host: PredictorHost, question: dict[str, Any]) -> dict[str, Any]:
    """The answer of the supervisor's host to a question of `RemotePredictors`."""
    match question:
        case {"op": "start_predictor", "launch": dict(fields)}:
            typed = {name: Path(fields[name]) for name in _PATHS} | {"preload": tuple(fields["preload"])}
            host.start(Launch(**{**fields, **typed}))
            return {}
        case {"op": "predictor_status", "revision_id": str(revision_id)}:
            return {"status": dataclasses.asdict(host.status(revision_id))}
        case {"op": "stop_predictor", "revision_id": str(revision_id)}:
            host.stop(revision_id)
            return {}
        case {"op": "predictors"}:
            return {"revisions": host.revisions()}
    raise InvalidInput(f"the supervisor does not know {question.get('op')!r}")

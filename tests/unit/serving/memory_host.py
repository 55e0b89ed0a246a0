"""A predictor host without processes: what it is asked for is there at once, or fails as the test says."""

from __future__ import annotations

from tidemill.serving.host import Launch, PredictorState, PredictorStatus


class MemoryHost:
    """Keeps the state of each revision; `broken` revisions fail when they are started."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.states: dict[str, PredictorStatus] = {}
        self.broken = False

    def start(self, launch: Launch) -> None:
        known = self.states.get(launch.revision_id)
        if known is not None and known.state is not PredictorState.FAILED:
            return
        self.launches.append(launch)
        state = PredictorState.FAILED if self.broken else PredictorState.READY
        self.states[launch.revision_id] = PredictorStatus(state=state, pid=1, message="broken" if self.broken else "")

    def status(self, revision_id: str) -> PredictorStatus:
        return self.states.get(revision_id, PredictorStatus(state=PredictorState.ABSENT))

    def stop(self, revision_id: str) -> None:
        self.states.pop(revision_id, None)

    def revisions(self) -> list[str]:
        return list(self.states)

    def close(self) -> None:
        self.states.clear()

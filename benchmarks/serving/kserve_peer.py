"""The peer: the same model behind the KServe SDK's own server. Runs in TIDEMILL_PEER_KSERVE."""

from __future__ import annotations

import logging
import sys

import joblib
import numpy
from kserve import Model, ModelServer


class Gbr(Model):  # type: ignore[misc] # the peer's library is not installed where types are checked
    """As KServe's own scikit-learn server predicts."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name)
        self._model = joblib.load(path)
        self.ready = True

    def predict(self, payload: dict, headers: dict | None = None) -> dict:  # type: ignore[type-arg] # KServe's own
        return {"predictions": self._model.predict(numpy.array(payload["instances"])).tolist()}


if __name__ == "__main__":
    logging.disable(logging.INFO)  # a line per request would slow it down
    ModelServer(http_port=int(sys.argv[2]), enable_grpc=False, workers=1, access_log_format=None).start(
        [Gbr("gbr", sys.argv[1])]
    )

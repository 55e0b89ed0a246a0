"""What the predictor says about itself and its model: health, metadata, configuration, statistics."""

from __future__ import annotations

from typing import Any, Callable, Dict, Tuple

from tidemill_runtime import __version__
from tidemill_runtime.model_package import PackageMetadata, Tensor
from tidemill_runtime.predict.refusal import Refusal

Answer = Tuple[int, Any]


class About:
    """The GET (and repository) routes of V1 and V2 for one model; answers are a status and a JSON value."""

    def __init__(
        self,
        metadata: PackageMetadata,
        model_name: str,
        version: str,
        is_ready: Callable[[], bool],
        statistics: Callable[[], Dict[str, int]],
        *,
        package_digest: str = "",
    ) -> None:
        self._metadata = metadata
        self._name = model_name
        self._version = version
        self._is_ready = is_ready
        self._statistics = statistics
        self._package_digest = package_digest

    def answer(self, method: str, path: str) -> Answer:
        """The reply to a request that is no prediction; raises the refusals 404, 405, 400, 501 and 503."""
        if method == "HEAD":
            method = "GET"
        fixed = self._fixed(path)
        if fixed is not None:
            wanted, reply = fixed
            _demand(method, wanted, path)
            answer: Answer = reply()
            return answer
        if path.startswith("/v1/models/"):
            return self._v1(method, path[len("/v1/models/") :], path)
        if path.startswith("/v2/repository/models/"):
            return self._repository(method, path[len("/v2/repository/models/") :], path)
        if path.startswith("/v2/models/"):
            return self._v2(method, path[len("/v2/models/") :], path)
        raise Refusal(404, f"there is nothing at {path[:200]!r}")

    def _fixed(self, path: str) -> Any:
        return {
            "/": ("GET", lambda: (200, {"status": "alive"})),
            "/v1/models": ("GET", lambda: (200, {"models": [self._name]})),
            "/v2": ("GET", self._server),
            "/v2/health/live": ("GET", lambda: (200, {"live": True})),
            "/v2/health/ready": ("GET", lambda: self._ready({"ready": True})),
            "/v2/models": ("GET", lambda: (200, {"models": [self._name]})),
            "/v2/models/stats": ("GET", lambda: (200, {"model_stats": [self._stats()]})),
            "/v2/repository/index": ("POST", self._index),
        }.get(path)

    def _v1(self, method: str, rest: str, path: str) -> Answer:
        name, _, verb = rest.partition(":")
        self._known(name)
        if verb == "explain":
            _demand(method, "POST", path)
            raise Refusal(501, f"the model {name!r} has no explainer")
        if verb == "predict":
            _demand(method, "POST", path)
        if verb:
            raise Refusal(404, f"the model {name!r} has no verb {verb[:40]!r}")
        _demand(method, "GET", path)
        return self._ready({"name": self._name, "ready": True})

    def _v2(self, method: str, rest: str, path: str) -> Answer:
        name, *more = rest.split("/")
        self._known(name)
        if more[:1] == ["versions"] and len(more) >= 2:
            if more[1] != self._version:
                raise Refusal(404, f"the model {name!r} has no version {more[1][:40]!r}, it has {self._version!r}")
            more = more[2:]
        if more == ["infer"]:
            _demand(method, "POST", path)
        replies: Dict[Tuple[str, ...], Callable[[], Answer]] = {
            (): lambda: (200, self._model()),
            ("ready",): lambda: self._ready({"name": self._name, "ready": True}),
            ("config",): lambda: (200, self._config()),
            ("stats",): lambda: (200, {"model_stats": [self._stats()]}),
        }
        reply = replies.get(tuple(more))
        if reply is None:
            raise Refusal(404, f"there is nothing at {path[:200]!r}")
        _demand(method, "GET", path)
        return reply()

    def _repository(self, method: str, rest: str, path: str) -> Answer:
        name, _, verb = rest.partition("/")
        self._known(name)
        if verb not in ("load", "unload"):
            raise Refusal(404, f"there is nothing at {path[:200]!r}")
        _demand(method, "POST", path)
        if verb == "unload":
            raise Refusal(400, f"the model {name!r} belongs to its service; delete the service to unload it")
        return self._ready({})

    def _known(self, name: str) -> None:
        if name != self._name:
            raise Refusal(404, f"there is no model {name[:100]!r} here, there is {self._name!r}")

    def _ready(self, body: Dict[str, Any]) -> Answer:
        if not self._is_ready():
            return 503, {**body, "ready": False, "error": "the predictor is not ready"}
        return 200, body

    def _server(self) -> Answer:
        extensions = ["binary_tensor_data", "model_repository", "statistics"]
        return 200, {"name": "tidemill", "version": __version__, "extensions": extensions}

    def _index(self) -> Answer:
        state = "READY" if self._is_ready() else "UNAVAILABLE"
        return 200, [{"name": self._name, "version": self._version, "state": state, "reason": ""}]

    def _model(self) -> Dict[str, Any]:
        return {
            "name": self._name,
            "versions": [self._version],
            "platform": self._metadata.flavour,
            "inputs": [_described(item) for item in self._metadata.inputs],
            "outputs": [_described(item) for item in self._metadata.outputs],
        }

    def _config(self) -> Dict[str, Any]:
        def configured(item: Tensor) -> Dict[str, Any]:
            kind = "TYPE_STRING" if item.datatype == "BYTES" else "TYPE_" + item.datatype
            return {"name": item.name, "data_type": kind, "dims": list(item.shape[1:])}

        return {
            "name": self._name,
            "platform": self._metadata.flavour,
            "max_batch_size": 0,
            "parameters": {"package_digest": {"string_value": self._package_digest}},
            "input": [configured(item) for item in self._metadata.inputs],
            "output": [configured(item) for item in self._metadata.outputs],
        }

    def _stats(self) -> Dict[str, Any]:
        numbers = self._statistics()
        return {
            "name": self._name,
            "version": self._version,
            "inference_count": numbers["rows"],
            "execution_count": numbers["batches"],
        }


def _described(item: Tensor) -> Dict[str, Any]:
    return {"name": item.name, "datatype": item.datatype, "shape": list(item.shape)}


def _demand(method: str, wanted: str, path: str) -> None:
    if method != wanted:
        raise Refusal(405, f"{method} is not allowed at {path[:200]!r}; use {wanted}", ((b"allow", wanted.encode()),))

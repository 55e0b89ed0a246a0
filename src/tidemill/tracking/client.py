"""Asks MLflow's server on behalf of a namespace, within a time."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import httpx

from tidemill.base.errors import TidemillError, Unavailable
from tidemill.base.home import Home
from tidemill.tracking.serve import REMEDY, WORKSPACE_HEADER, mlflow_socket


class MlflowRefusal(TidemillError):
    """MLflow does not take what it was sent; `mlflow_code` is its own word for why."""

    code, http_status, exit_status = "mlflow_refusal", 422, 1

    def __init__(self, mlflow_code: str, message: str) -> None:
        super().__init__(f"MLflow: {message}", place=mlflow_code, remedy=REMEDY)
        self.mlflow_code = mlflow_code


class MlflowClient:
    """A short conversation with MLflow's REST API; close it.

    Raises `MlflowRefusal` for what MLflow does not take, `Unavailable` when it does not answer within the time that is
    left of `seconds`, all requests together.
    """

    def __init__(self, home: Home, namespace_id: str, *, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        transport = httpx.HTTPTransport(uds=str(mlflow_socket(home)))
        headers = {WORKSPACE_HEADER: namespace_id}
        self._http = httpx.Client(transport=transport, base_url="http://mlflow/api/2.0/mlflow", headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, **params: str) -> dict[str, Any]:
        """The reply to a GET below `/api/2.0/mlflow`."""
        return self._ask("GET", path, params=params)

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """The reply to a POST below `/api/2.0/mlflow`."""
        return self._ask("POST", path, json=body)

    def delete(self, path: str, **body: Any) -> dict[str, Any]:
        """The reply to a DELETE below `/api/2.0/mlflow`."""
        return self._ask("DELETE", path, json=body)

    def _ask(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Unavailable("MLflow takes too long", place=path, remedy=REMEDY)
        try:
            answer = self._http.request(method, f"/{path}", timeout=left, **arguments)
        except httpx.TransportError as problem:
            raise Unavailable(f"MLflow does not answer: {problem!r}", place=path, remedy=REMEDY) from problem
        try:
            told = answer.json()
        except ValueError:
            told = {}
        if answer.status_code < 400 and isinstance(told, dict):
            return told
        code, message = str(told.get("error_code", "")), str(told.get("message", answer.text))[:500]
        if 400 <= answer.status_code < 500 and code:
            raise MlflowRefusal(code, message)
        raise Unavailable(f"MLflow answered {answer.status_code}: {message}", place=path, remedy=REMEDY)

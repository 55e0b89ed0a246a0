"""MLflow's own server on a socket that it inherits: run by the Python of MLflow's environment, not by ours.

`python -I program.py DESCRIPTOR FOLDER IDLE_SECONDS`. It ends with status 0 when nobody has asked for so long.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
import uuid
import warnings
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

WORKSPACE_HEADER = b"x-mlflow-workspace"
"""Set by who asks on behalf of a namespace: its id, which is the name of a workspace of MLflow's."""

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


def prepare(folder: Path) -> None:
    """What MLflow reads from its environment when it is imported: one database, one folder, nothing that runs programs
    or calls home."""
    database, artifacts = f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            "MLFLOW_ENABLE_WORKSPACES": "true",
            "MLFLOW_WORKSPACE_STORE_URI": database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_SERVER_ALLOWED_HOSTS": "mlflow",
            "GIT_PYTHON_REFRESH": "quiet",
        }
    )
    from mlflow.server import constants, handlers

    os.environ.update(
        {
            constants.BACKEND_STORE_URI_ENV_VAR: database,
            constants.REGISTRY_STORE_URI_ENV_VAR: database,
            constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
            constants.ARTIFACTS_DESTINATION_ENV_VAR: str(artifacts),
            constants.SERVE_ARTIFACTS_ENV_VAR: "true",
            "_MLFLOW_SGI_NAME": "uvicorn",
        }
    )
    keep_inside(artifacts)
    handlers.initialize_backend_stores(database, database, "mlflow-artifacts:/", workspace_store_uri=database)


def keep_inside(artifacts: Path) -> None:
    """Artifacts are in this folder and nowhere else: not where an experiment that somebody makes says they are."""
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact import artifact_repository_registry
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
    from mlflow.utils.file_utils import local_file_uri_to_path

    root = artifacts.resolve()

    def inside(artifact_uri: str, **named: Any) -> Any:
        path = Path(local_file_uri_to_path(artifact_uri)).resolve()
        if not path.is_relative_to(root):
            raise MlflowException.invalid_parameter_value("artifacts of this server are in its own folder only")
        return LocalArtifactRepository(artifact_uri, **named)

    registry = artifact_repository_registry._artifact_repository_registry
    own = {scheme: registry._registry[scheme] for scheme in ("mlflow-artifacts", "runs", "models")}
    registry._registry = {"": inside, "file": inside, **own}


class Workspaces:
    """Makes the workspace that a request is for; clients are not told that there are others."""

    def __init__(self, app: Application) -> None:
        from mlflow.entities import Workspace
        from mlflow.exceptions import MlflowException
        from mlflow.server import server_info_api
        from mlflow.server.workspace_helpers import _get_workspace_store

        self._app = app
        self._known: set[str] = set()
        store, info = _get_workspace_store(), server_info_api.build_server_info_payload
        server_info_api.build_server_info_payload = lambda: {**info(), "workspaces_enabled": False}

        def ensure(name: str) -> None:
            try:
                store.create_workspace(Workspace(name=name))
            except MlflowException as problem:
                if problem.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise

        self._ensure = ensure

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(WORKSPACE_HEADER, b"").decode("latin-1")
            if name and name not in self._known:
                name = str(uuid.UUID(name))
                await asyncio.to_thread(self._ensure, name)
                self._known.add(name)
        await self._app(scope, receive, send)


class Use:
    """Knows for how long nobody has asked."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._at_work = 0
        self._last = time.monotonic()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self._at_work += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._at_work -= 1
            self._last = time.monotonic()

    def idle_seconds(self) -> float:
        """0 while a request is under way."""
        return 0.0 if self._at_work else time.monotonic() - self._last


def serve(app: Application, listener: socket.socket, idle_seconds: float) -> None:
    """Serve until told to stop, or until nobody has asked for `idle_seconds`; the socket stays its owner's."""
    import uvicorn

    use = Use(app)

    class Server(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            return await super().on_tick(counter) or use.idle_seconds() > idle_seconds

    config = uvicorn.Config(
        use, lifespan="off", log_level="warning", access_log=False, proxy_headers=False, timeout_graceful_shutdown=5
    )
    Server(config).run(sockets=[listener])


def main() -> None:
    """Run MLflow's server."""
    descriptor, folder, idle_seconds = sys.argv[1:]
    warnings.simplefilter("ignore")
    prepare(Path(folder))
    from mlflow.server.fastapi_app import app

    serve(Workspaces(app), socket.socket(fileno=int(descriptor)), float(idle_seconds))


if __name__ == "__main__":
    main()

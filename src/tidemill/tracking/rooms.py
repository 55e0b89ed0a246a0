"""What of MLflow's server is open to people, and what only looks, so that who may read may ask for it."""

from __future__ import annotations

import re

_PLAIN = frozenset({"", "health", "version", "graphql", "get-artifact", "model-versions/get-artifact", "v1/traces"})
_ROOMS = frozenset(
    {
        "artifacts",
        "assessments",
        "datasets",
        "experiments",
        "get-trace-artifact",
        "logged-models",
        "metrics",
        "model-versions",
        "registered-models",
        "runs",
        "server-info",
        "traces",
        "upload-artifact",
    }
)
"""Not among them: what runs programs or talks to others (gateway, assistant, jobs, scorers, webhooks, MCP servers), and
workspaces, which stand for our namespaces."""

_API = re.compile(
    r"(?:ajax-)?api/[234]\.0/mlflow(?:-artifacts/(?:artifacts|mpu)|/(?P<room>[a-z-]+))(?:/.*)?", re.DOTALL
)
_CLOSED = re.compile(r"(?:^|/)(?:create-promptlab-run|\.\.?)(?:/|$)")
_ASKING = re.compile(
    r"graphql|(?:ajax-)?api/[234]\.0/mlflow/(?:"
    r"(?:experiments|runs|logged-models|traces|datasets)/search|experiments/search-datasets|"
    r"registered-models/get-latest-versions|traces/(?:batchGetInfos|metrics|calculate-filter-correlation))"
)


def is_open(path: str) -> bool:
    """Whether a path below `/mlflow/` is one that the site passes on."""
    if _CLOSED.search(path):
        return False
    if path in _PLAIN or path.startswith("static-files/"):
        return True
    found = _API.fullmatch(path)
    return found is not None and (found["room"] is None or found["room"] in _ROOMS)


def only_looks(method: str, path: str) -> bool:
    """Whether a request changes nothing: MLflow's searches are POSTs."""
    return method in {"GET", "HEAD"} or (method == "POST" and _ASKING.fullmatch(path) is not None)

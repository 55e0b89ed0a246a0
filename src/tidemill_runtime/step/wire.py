"""KFP v2's executor input and output: where artifacts are and what is said about them."""

from __future__ import annotations

import json
import os
import shutil
from typing import Any, Dict, Mapping, Optional

_REMOTE_PREFIXES = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}
"""How the KFP launcher mounts remote stores (`kfp.dsl.types.artifact_types`)."""


def local_path(uri: str) -> str:
    """The local path of an artifact's URI."""
    for prefix, mount in _REMOTE_PREFIXES.items():
        if uri.startswith(prefix):
            return mount + uri[len(prefix) :]
    return uri[len("file://") :] if uri.startswith("file://") else uri


class ExecutorInput:
    """Reads the executor input and gathers what goes into the executor output."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        inputs, outputs = data.get("inputs", {}), data.get("outputs", {})
        self.parameters: Mapping[str, Any] = inputs.get("parameterValues", {})
        self._inputs: Mapping[str, Any] = inputs.get("artifacts", {})
        self._outputs: Mapping[str, Any] = outputs.get("artifacts", {})
        self._output_file: str = outputs.get("outputFile", "")
        self._metadata: Dict[str, Dict[str, Any]] = {}

    @staticmethod
    def _first(artifacts: Mapping[str, Any], name: str) -> Optional[Mapping[str, Any]]:
        listed = artifacts.get(name, {}).get("artifacts", [])
        return listed[0] if listed else None

    def input_path(self, name: str) -> Optional[str]:
        """Where an input artifact lies, None when it was not given."""
        found = self._first(self._inputs, name)
        return local_path(found["uri"]) if found else None

    def input_metadata(self, name: str) -> Mapping[str, Any]:
        """The metadata of an input artifact."""
        found = self._first(self._inputs, name)
        return found.get("metadata", {}) if found else {}

    def output_path(self, name: str) -> Optional[str]:
        """Where to write an output artifact, with its folder made; None when nobody wants it."""
        found = self._first(self._outputs, name)
        if found is None:
            return None
        path = local_path(found["uri"])
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return path

    def remove_outputs(self) -> None:
        """Remove what was written as output artifacts."""
        for name in self._outputs:
            found = self._first(self._outputs, name)
            path = local_path(found["uri"]) if found else ""
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            elif os.path.exists(path):
                os.remove(path)

    def describe(self, name: str, metadata: Mapping[str, Any]) -> None:
        """Set the metadata of an output artifact."""
        self._metadata.setdefault(name, {}).update(metadata)

    @property
    def failure_file(self) -> str:
        """Where a failure is described: `failure.json` beside the executor output."""
        return os.path.join(os.path.dirname(self._output_file), "failure.json") if self._output_file else ""

    def write_output(self) -> None:
        """Write `executor_output.json`."""
        if not self._output_file:
            return
        artifacts: Dict[str, Any] = {}
        for name, metadata in sorted(self._metadata.items()):
            found = self._first(self._outputs, name)
            if found is not None:
                artifacts[name] = {"artifacts": [{**found, "metadata": {**found.get("metadata", {}), **metadata}}]}
        write_json(self._output_file, {"artifacts": artifacts})


def write_json(path: str, value: object) -> None:
    """Write JSON as a whole or not at all."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, sort_keys=True)
    os.replace(path + ".new", path)

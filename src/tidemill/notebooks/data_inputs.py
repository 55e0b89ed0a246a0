"""Data files beside a notebook, as inputs of its pipeline: an importer each, whose URI is a parameter.

An importer is what KFP has for content from outside: on a cluster the parameter is given as `s3://...`, here as the
content of the verified dataset version. The step puts the file where the notebook's code looks for it.
"""

from __future__ import annotations

import re
from typing import Any

from tidemill.notebooks.program import escaped_json

PREFIX = "data_"


def with_data_files(spec: dict[str, Any], files: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The spec with an importer for each file that a task names; `files` has relative paths by task."""
    names = _names(spec, sorted({path for paths in files.values() for path in paths}))
    for path, name in names.items():
        _add_importer(spec, path, name)
    for task, paths in files.items():
        if paths:
            _hand_over(spec, task, {names[path]: path for path in paths})
    return spec


def _names(spec: dict[str, Any], paths: list[str]) -> dict[str, str]:
    """A parameter's name for each path, free among the pipeline's parameters and all steps' artifacts."""
    taken = set(spec["root"].get("inputDefinitions", {}).get("parameters", {}))
    for component in spec["components"].values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for kind in ("parameters", "artifacts"):
                taken |= set(component.get(side, {}).get(kind, {}))
    names: dict[str, str] = {}
    for path in paths:
        name = PREFIX + (re.sub(r"[^a-z0-9]+", "_", path.lower()).strip("_") or "file")
        while name in taken:
            name += "_"
        taken.add(name)
        names[path] = name
    return names


def _add_importer(spec: dict[str, Any], path: str, name: str) -> None:
    task = _task_name(spec, name)
    dataset = {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}
    spec["components"][f"comp-{task}"] = {
        "executorLabel": f"exec-{task}",
        "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
        "outputDefinitions": {"artifacts": {"artifact": {"artifactType": dataset}}},
    }
    spec["deploymentSpec"]["executors"][f"exec-{task}"] = {
        "importer": {"artifactUri": {"runtimeParameter": "uri"}, "typeSchema": dataset}
    }
    spec["root"]["dag"]["tasks"][task] = {
        "cachingOptions": {},
        "componentRef": {"name": f"comp-{task}"},
        "inputs": {"parameters": {"uri": {"componentInputParameter": name}}},
        "taskInfo": {"name": path},
    }
    definitions = spec["root"].setdefault("inputDefinitions", {}).setdefault("parameters", {})
    definitions[name] = {"description": f"URI of {path}", "parameterType": "STRING"}


def _hand_over(spec: dict[str, Any], task_name: str, artifacts: dict[str, str]) -> None:
    """Make the imported files inputs of a task, and tell its step where each belongs."""
    task = spec["root"]["dag"]["tasks"][task_name]
    component = spec["components"][task["componentRef"]["name"]]
    dataset = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
    for name in artifacts:
        importer = _task_name(spec, name)
        component.setdefault("inputDefinitions", {}).setdefault("artifacts", {})[name] = dataset
        given = task.setdefault("inputs", {}).setdefault("artifacts", {})
        given[name] = {"taskOutputArtifact": {"outputArtifactKey": "artifact", "producerTask": importer}}
        task["dependentTasks"] = sorted({*task.get("dependentTasks", []), importer})
    container = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    container["args"] += ["--files", escaped_json(artifacts)]


def _task_name(spec: dict[str, Any], name: str) -> str:
    """The importer's task: `import-cars-csv`, unless a step is called so."""
    tasks = spec["root"]["dag"]["tasks"]
    task = "import-" + name.removeprefix(PREFIX).strip("_").replace("_", "-")
    while "container" in _executor(spec, tasks.get(task)):
        task += "-data"
    return task + "-x" * (len(name) - len(name.rstrip("_")))


def _executor(spec: dict[str, Any], task: dict[str, Any] | None) -> dict[str, Any]:
    if task is None:
        return {}
    component = spec["components"][task["componentRef"]["name"]]
    found: dict[str, Any] = spec["deploymentSpec"]["executors"][component["executorLabel"]]
    return found

"""Small PipelineSpecs for tests, as plain JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tidemill.pipelines import Pipeline, load_pipeline

SAMPLES = Path(__file__).parents[2] / "fixtures" / "pipelines"


def sample(name: str) -> Pipeline:
    """A pipeline that kfp compiled."""
    path = SAMPLES / f"{name}.yaml"
    return load_pipeline(path.read_bytes(), place=path.name)


def spec(**changes: Any) -> dict[str, Any]:
    """A valid spec: `make` gives a number and a data set, `use` takes both; top-level fields can be changed."""
    whole: dict[str, Any] = {
        "schemaVersion": "2.1.0",
        "sdkVersion": "kfp-2.17.0",
        "pipelineInfo": {"name": "small"},
        "deploymentSpec": {
            "executors": {
                "exec-make": {"container": {"image": "python:3.11", "command": ["make"]}},
                "exec-use": {"container": {"image": "python:3.11", "command": ["use"]}},
            }
        },
        "components": {
            "comp-make": {
                "executorLabel": "exec-make",
                "inputDefinitions": {"parameters": {"count": {"parameterType": "NUMBER_INTEGER"}}},
                "outputDefinitions": {
                    "parameters": {"number": {"parameterType": "NUMBER_INTEGER"}},
                    "artifacts": {"table": {"artifactType": {"schemaTitle": "system.Dataset"}}},
                },
            },
            "comp-use": {
                "executorLabel": "exec-use",
                "inputDefinitions": {
                    "parameters": {"number": {"parameterType": "NUMBER_DOUBLE"}},
                    "artifacts": {"table": {"artifactType": {"schemaTitle": "system.Dataset"}}},
                },
            },
        },
        "root": {
            "inputDefinitions": {"parameters": {"count": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0}}},
            "dag": {
                "tasks": {
                    "make": {
                        "componentRef": {"name": "comp-make"},
                        "inputs": {"parameters": {"count": {"componentInputParameter": "count"}}},
                    },
                    "use": {
                        "componentRef": {"name": "comp-use"},
                        "inputs": {
                            "parameters": {
                                "number": {
                                    "taskOutputParameter": {"producerTask": "make", "outputParameterKey": "number"}
                                }
                            },
                            "artifacts": {
                                "table": {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "table"}}
                            },
                        },
                    },
                }
            },
        },
    }
    whole.update(changes)
    return whole


def task(whole: dict[str, Any], name: str) -> dict[str, Any]:
    """A task of the spec's root, to change in place."""
    found: dict[str, Any] = whole["root"]["dag"]["tasks"][name]
    return found


def load(whole: Any) -> Pipeline:
    """Load a spec given as plain JSON."""
    return load_pipeline(json.dumps(whole), place="small.json")

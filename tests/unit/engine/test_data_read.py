"""A run names the data versions that the site checked, and nobody can make it name another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tidemill.artifacts import Content, NewArtifact, record_artifact
from tidemill.engine import Run, State
from tidemill.engine.data_read import version_behind
from tidemill.engine.importing import STORED
from tidemill.pipelines import Pipeline, load_pipeline
from tidemill.registry.run_outputs import RunOutputs

ROWS = b"a,b\n1,2\n"
CHECKED = {"path": "rows.csv", "data_version": "md5:1", "git_commit": None, "dvc_file": "rows.csv.dvc"}


def _pipeline(metadata: Mapping[str, Any] | None = None) -> Pipeline:
    """A pipeline that imports one file, whose importer may say things of its own."""
    importer: dict[str, Any] = {
        "artifactUri": {"runtimeParameter": "uri"},
        "typeSchema": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
        **({"metadata": dict(metadata)} if metadata else {}),
    }
    uri = {"parameters": {"uri": {"parameterType": "STRING"}}}
    artifact = {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}
    component = {
        "executorLabel": "exec",
        "inputDefinitions": uri,
        "outputDefinitions": {"artifacts": {"artifact": artifact}},
    }
    task = {
        "taskInfo": {"name": "rows.csv"},
        "componentRef": {"name": "comp"},
        "inputs": {"parameters": {"uri": {"componentInputParameter": "data"}}},
    }
    spec = {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "reads"},
        "components": {"comp": component},
        "deploymentSpec": {"executors": {"exec": {"importer": importer}}},
        "root": {
            "inputDefinitions": {"parameters": {"data": {"parameterType": "STRING"}}},
            "dag": {"tasks": {"import-rows": task}},
        },
    }
    return load_pipeline(json.dumps(spec), place="spec")


def _artifact(bench: Any, metadata: dict[str, Any], *, run_id: str | None = None) -> str:
    content: Content = bench.blobs.put(ROWS)
    new = NewArtifact(name="rows.csv", type="system.Dataset", content=content, metadata=metadata, run_id=run_id)
    with bench.site.database.write() as connection:
        made = record_artifact(
            connection, bench.site, new, namespace_id=bench.actor.namespace_id, created_by=bench.actor.person
        )
    return STORED + made.id


def _versions(bench: Any, run: Run) -> tuple[Any, dict[str, str]]:
    """What the run says at its start, and what it read."""
    assert run.state is State.SUCCEEDED, run.failure
    return run.origin.get("data"), RunOutputs(bench.site, bench.actor.namespace_id, run.id).data_versions()


def test_a_run_names_the_version_that_was_checked_whatever_was_said(bench: Any) -> None:
    said = {"file": "reads.ipynb", "data": {"rows.csv": "md5:forged", "other.csv": "md5:2"}}
    run = bench.run(_pipeline(), parameters={"data": _artifact(bench, CHECKED)}, origin=said)
    assert _versions(bench, run) == ({"rows.csv": "md5:1"}, {"rows.csv": "md5:1"})
    assert run.origin["file"] == "reads.ipynb"


@pytest.mark.parametrize("metadata", [None, {"data_version": "md5:forged", "path": "rows.csv"}])
def test_data_without_a_version_is_told_by_its_bytes_whatever_the_spec_says_of_it(
    bench: Any, metadata: dict[str, Any] | None
) -> None:
    uri = _artifact(bench, {"path": "rows.csv"})
    run = bench.run(_pipeline(metadata), parameters={"data": uri}, origin={"data": {"rows.csv": "md5:forged"}})
    told = {"rows.csv": "sha256:" + hashlib.sha256(ROWS).hexdigest()}
    assert _versions(bench, run) == (told, told)


def test_what_a_step_wrote_of_its_output_is_no_data_version(bench: Any) -> None:
    run = bench.run(_pipeline(), parameters={"data": _artifact(bench, CHECKED, run_id="another-run")})
    assert _versions(bench, run) == (None, {})


def test_a_spec_cannot_change_what_was_checked(bench: Any) -> None:
    run = bench.run(_pipeline({"data_version": "md5:forged"}), parameters={"data": _artifact(bench, CHECKED)})
    assert _versions(bench, run) == ({"rows.csv": "md5:1"}, {"rows.csv": "md5:1"})


@pytest.mark.parametrize("uri", ["", "file:///tmp/rows.csv", STORED, STORED + "none"])
def test_behind_another_uri_is_no_version(bench: Any, uri: str) -> None:
    with bench.site.database.read() as connection:
        assert version_behind(connection, bench.actor.namespace_id, uri) == {}

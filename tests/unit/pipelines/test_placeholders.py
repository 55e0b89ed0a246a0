"""Every placeholder of KFP, resolved once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pipelines.specs import sample

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import PlaceholderContext, resolve_env, resolve_placeholders, resolve_resources, resolve_value
from tidemill.pipelines.model import ContainerExecutor, ImporterExecutor, ParameterType, Resources

INPUT: dict[str, Any] = {
    "inputs": {
        "parameterValues": {
            "text": "it's \"quoted\" {{$.inputs.parameters['number']}}",
            "number": 4,
            "rate": 3.0,
            "small": 1e-7,
            "flag": True,
            "items": [1, "zwei"],
            "nothing": None,
        },
        "artifacts": {
            "data": {
                "artifacts": [
                    {
                        "name": "data",
                        "type": {"schemaTitle": "system.Dataset"},
                        "uri": "blob://1/data",
                        "metadata": {"rows": 10, "owner": "me"},
                    }
                ]
            }
        },
    },
    "outputs": {
        "parameters": {"answer": {"outputFile": "/out/answer"}},
        "artifacts": {"model": {"artifacts": [{"name": "model", "uri": "blob://1/model", "customPath": "/custom"}]}},
        "outputFile": "/out/executor_output.json",
    },
}
JOB = {
    "pipeline_job_name": "job",
    "pipeline_job_uuid": "job-id",
    "pipeline_job_resource_name": "resource",
    "pipeline_task_name": "task",
    "pipeline_task_uuid": "task-id",
    "pipeline_root": "blob://1",
    "pipeline_job_create_time_utc": "2030-01-01T00:00:00Z",
    "pipeline_job_schedule_time_utc": "2030-01-02T00:00:00Z",
}
CONTEXT = PlaceholderContext(executor_input=INPUT, job=JOB, local_path=lambda uri: uri.replace("blob://1", "/work"))


def one(text: str) -> str:
    (resolved,) = resolve_placeholders([text], CONTEXT)
    return resolved


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{$.inputs.parameters['number']}}", "4"),
        ('{{$.inputs.parameters["number"]}}', "4"),
        ("a{{$.inputs.parameters['number']}}b{{$.inputs.parameters['rate']}}c", "a4b3c"),
        ("{{$.inputs.parameters['small']}}", "0.0000001"),
        ("{{$.inputs.parameters['flag']}}", "true"),
        ("{{$.inputs.parameters['items']}}", '[1, "zwei"]'),
        ("{{$.inputs.parameters['nothing']}}", ""),
        ("{{$.inputs.artifacts['data'].uri}}", "blob://1/data"),
        ("{{$.inputs.artifacts['data'].path}}", "/work/data"),
        ("{{$.inputs.artifacts['data'].metadata}}", '{"rows": 10, "owner": "me"}'),
        ("{{$.inputs.artifacts['data'].metadata['rows']}}", "10"),
        ("{{$.outputs.parameters['answer'].output_file}}", "/out/answer"),
        ("{{$.outputs.artifacts['model'].uri}}", "blob://1/model"),
        ("{{$.outputs.artifacts['model'].path}}", "/custom"),
        ("{{$.outputs.output_file}}", "/out/executor_output.json"),
        ("{{$.outputMetadataUri}}", "/out/executor_output.json"),
        ("{{$.pipeline_job_name}}/{{$.pipeline_task_uuid}}", "job/task-id"),
        ("{{$.pipeline_job_schedule_time_utc}}", "2030-01-02T00:00:00Z"),
        ("{{$.Values.chart}} {{ .x }} {{$x}}", "{{$.Values.chart}} {{ .x }} {{$x}}"),
    ],
)
def test_a_placeholder_is_replaced(text: str, expected: str) -> None:
    assert one(text) == expected


def test_a_value_that_looks_like_a_placeholder_is_not_resolved_again() -> None:
    assert one("{{$.inputs.parameters['text']}}") == INPUT["inputs"]["parameterValues"]["text"]
    concatenated = json.dumps({"Concat": ["x", "{{$.inputs.parameters['text']}}"]})
    assert one(concatenated) == "x" + INPUT["inputs"]["parameterValues"]["text"]


@given(st.text())
def test_no_value_is_ever_resolved_again(value: str) -> None:
    context = PlaceholderContext(executor_input={"inputs": {"parameterValues": {"x": value}}})
    assert resolve_placeholders(["<{{$.inputs.parameters['x']}}>"], context) == [f"<{value}>"]


def test_the_executor_input_is_json_and_escaped_as_often_as_asked() -> None:
    assert json.loads(one("{{$}}")) == INPUT
    once = one('{"executor_input": "{{$.json_escape[1]}}"}')
    assert json.loads(json.loads(once)["executor_input"]) == INPUT
    twice = one('{"a": "{\\"b\\": \\"{{$.json_escape[2]}}\\"}"}')
    assert json.loads(json.loads(json.loads(twice)["a"])["b"]) == INPUT
    escaped = one("\"{{$.inputs.parameters['text'].json_escape[1]}}\"")
    assert json.loads(escaped) == INPUT["inputs"]["parameterValues"]["text"]


def test_the_value_of_an_artifact_is_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("inside")
    artifact = {"artifacts": [{"uri": str(tmp_path / "a.txt")}]}
    context = PlaceholderContext(executor_input={"inputs": {"artifacts": {"a": artifact}}})
    assert resolve_placeholders(["{{$.inputs.artifacts['a'].value}}"], context) == ["inside"]
    artifact["artifacts"][0]["uri"] = str(tmp_path / "missing")
    with pytest.raises(InvalidInput, match="cannot be read"):
        resolve_placeholders(["{{$.inputs.artifacts['a'].value}}"], context)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{{$.inputs.parameters['numbr']}}", "has no value"),
        ("{{$.inputs.artifacts['dat'].path}}", "no input artifact 'dat'"),
        ("{{$.inputs.artifacts['data'].metadata['row']}}", "no metadata 'row'"),
        ("{{$.outputs.artifacts['modle'].path}}", "no output artifact 'modle'"),
        ("{{$.outputs.parameters['x'].output_file}}", "no output parameter 'x'"),
        ("{{$.workspace_path}}", "no workspace_path"),
    ],
)
def test_a_placeholder_of_nothing_is_refused(text: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        one(text)


def test_if_present_adds_drops_and_replaces_elements() -> None:
    present = json.dumps(
        {"IfPresent": {"InputName": "number", "Then": ["--n", "{{$.inputs.parameters['number']}}"], "Else": ["--none"]}}
    )
    absent = json.dumps({"IfPresent": {"InputName": "missing", "Then": ["--n"], "Else": ["--none"]}})
    dropped = json.dumps({"IfPresent": {"InputName": "nothing", "Then": "x"}})
    artifact = json.dumps({"IfPresent": {"InputName": "data", "Then": {"Concat": ["d=", "{{$.pipeline_job_name}}"]}}})
    assert resolve_placeholders([present, absent, dropped, artifact], CONTEXT) == ["--n", "4", "--none", "d=job"]


def test_json_that_is_no_structure_is_text() -> None:
    for text in ('{"Concat": 1}', '{"Concat": ["a"], "b": 1}', '{"Concat": [', '{"IfPresent": {}}', '{"a": 1}'):
        assert one(text) == text
    with pytest.raises(InvalidInput, match="no Concat and no IfPresent"):
        one('{"Concat": [{"Other": 1}]}')


def test_the_sample_of_all_placeholders_resolves_with_and_without_the_optional_input() -> None:
    executor = sample("containers").components["comp-everything"].executor
    assert isinstance(executor, ContainerExecutor)
    values = {"text": "hello", "number": 4}
    without = {**INPUT, "inputs": {"parameterValues": values, "artifacts": INPUT["inputs"]["artifacts"]}}
    context = PlaceholderContext(executor_input=without, job=JOB, local_path=CONTEXT.local_path)
    line = resolve_placeholders(executor.args, context)
    assert "--none" in line
    assert "--x=nothing" in line
    assert "pre-hello-blob://1/data" in line
    assert not any("{{$" in element for element in line)
    values["optional_text"] = "given"
    line = resolve_placeholders(executor.args, context)
    assert line[line.index("--optional") + 1] == "given"
    assert {"--x=given", "one=given"} <= set(line)
    assert resolve_placeholders(executor.command, context) == ["sh", "-c", "echo hello > $0", "/out/answer"]


def test_env_values_are_resolved_and_names_are_not() -> None:
    assert resolve_env({"A": "{{$.pipeline_root}}/x"}, CONTEXT) == {"A": "blob://1/x"}


def test_a_text_stays_a_text_and_a_placeholder_elsewhere_keeps_its_type() -> None:
    whole = "{{$.inputs.parameters['number']}}"
    assert resolve_value(whole, CONTEXT) == "4"
    assert resolve_value(whole, CONTEXT, kind=ParameterType.NUMBER_INTEGER) == 4
    assert resolve_value({f"k-{whole}": [whole, "n" + whole, 1.5]}, CONTEXT) == {"k-4": [4, "n4", 1.5]}


def test_the_metadata_of_an_importer_resolves() -> None:
    executor = sample("importers").components["comp-importer-3"].executor
    assert isinstance(executor, ImporterExecutor)
    context = PlaceholderContext(executor_input={"inputs": {"parameterValues": {"metadata": "v2"}}})
    assert resolve_value(executor.metadata, context) == {"k-v2": 1}


def test_resources_may_hang_on_inputs() -> None:
    resources = Resources(
        cpu_limit="{{$.inputs.parameters['rate']}}",
        cpu_request="500m",
        memory_limit="1.5Gi",
        memory_request="{{$.inputs.parameters['number']}}G",
        accelerators="1",
    )
    needs = resolve_resources(resources, CONTEXT)
    assert (needs.cpu_limit_cores, needs.cpu_request_cores) == (3.0, 0.5)
    assert (needs.memory_limit_bytes, needs.memory_request_bytes) == (1610612736, 4_000_000_000)
    assert needs.accelerators == 1
    assert resolve_resources(Resources(), CONTEXT).cpu_limit_cores is None
    with pytest.raises(InvalidInput, match="is not a quantity"):
        resolve_resources(Resources(cpu_limit="lots"), CONTEXT)

"""What the loader refuses, where it says it is, and what it says to do."""

from __future__ import annotations

import contextlib
import copy
import json
import random
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pipelines.specs import SAMPLES, load, spec

from tidemill.base.errors import InvalidInput, TooLarge
from tidemill.pipelines import load_pipeline
from tidemill.pipelines.documents import MAX_BYTES


def refused(text: str | bytes, place: str = "pipeline.yaml") -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        load_pipeline(text, place=place)
    return caught.value


def test_a_small_spec_loads() -> None:
    pipeline = load(spec())
    assert pipeline.name == "small"
    assert pipeline.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("--- \n", "is empty"),
        ("hello", "it holds the text 'hello'"),
        ("[1, 2]", "it holds a list"),
        ("a: 1", "it has no root"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {}", "KFP v1 (an Argo Workflow)"),
        ("apiVersion: tekton.dev/v1\nkind: PipelineRun", "a Tekton PipelineRun"),
        ("apiVersion: v1\nkind: Pod", "a Kubernetes object (Pod)"),
        ("name: x\nimplementation: {container: {image: y}}", "a component of KFP v1"),
        ('{"nbformat": 4, "cells": []}', "is a notebook"),
        ('{"pipelineSpec": {}, "runtimeConfig": {}}', "is a PipelineJob"),
        ("platforms: {kubernetes: {}}", "is a PlatformSpec alone"),
        ("a: 1\n---\nb: 2\n---\nc: 3", "holds 3 documents"),
    ],
)
def test_what_is_no_pipeline_is_named_for_what_it_is(text: str, what: str) -> None:
    problem = refused(text)
    assert what in problem.message
    assert problem.place == "pipeline.yaml"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("root: &a {}\nschemaVersion: *a", 2, "alias"),
        ("root: !!python/object:os.system {}", 1, "tag"),
        ("root: !!binary aGVsbG8=", 1, "tag"),
        ("root: {}\n<<: {a: 1}", 2, "merge key"),
        ("root: {}\nroot: {}", 2, "stands twice"),
        ("root: {}\nschemaVersion: .nan", 2, "is not JSON"),
        ("root: {}\nschemaVersion: -.inf", 2, "is not JSON"),
        ("root: {}\n? [a]\n: 1", 2, "a key is no text"),
        ("root:\n  - a\n b: 1", 3, "not YAML"),
        ("root: " + "[" * 200, 1, "deeper than"),
        ("root: " + "9" * 5000, 1, "too long"),
    ],
)
def test_yaml_that_is_not_plain_json_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    problem = refused(text)
    assert what in problem.message
    assert problem.place == f"pipeline.yaml:{line}"


def test_dates_and_times_stay_text() -> None:
    whole = yaml.safe_dump(spec()).replace("name: small", "name: 2020-01-31")
    assert load_pipeline(whole, place="x").name == "2020-01-31"


def test_bytes_that_are_no_text_are_refused() -> None:
    assert "UTF-8" in refused(b"\xff\xfe\x00").message
    assert "UTF-8" in refused("\ud800").message


def test_more_than_the_limit_is_not_parsed() -> None:
    with pytest.raises(TooLarge):
        load_pipeline(b" " * (MAX_BYTES + 1), place="big.yaml")


def change(path: str, value: Any) -> dict[str, Any]:
    """The small spec with one field set; a dotted path."""
    whole = spec()
    *parents, last = path.split(".")
    found = whole
    for key in parents:
        found = found.setdefault(key, {})
    found[last] = value
    return whole


@pytest.mark.parametrize(
    ("path", "value", "what", "remedy"),
    [
        ("pipelineInf", {"name": "x"}, "no such field", "did you mean 'pipelineInfo'?"),
        ("root.dag.task", {}, "no such field", "did you mean 'tasks'?"),
        ("root.dag.tasks.make.retry_polcy", {}, "no such field", "did you mean 'retryPolicy'?"),
        ("root.dag.tasks.make.inputs.paramters", {}, "no such field", "did you mean 'parameters'?"),
        ("deploymentSpec.executors.exec-make.container.imag", "x", "no such field", "did you mean 'image'?"),
        ("schemaVersion", "2.0.0", "should be 2.1.0, and is 2.0.0", "compile it again"),
        ("schemaVersion", 2.1, "should be text, and is the number 2.1", "quotes"),
        ("pipelineInfo", {}, "needs a name", None),
        ("components.comp-make.executorLabel", "exec-mak", "no executor 'exec-mak'", "did you mean 'exec-make'?"),
        ("components.comp-make.dag", {"tasks": {}}, "excludes the field 'executorLabel'", None),
        ("components.comp-x", {}, "needs a dag or an executorLabel", None),
        ("components.comp-make.inputDefinitions.parameters.count", {}, "needs a parameterType", None),
        ("deploymentSpec.executors.exec-make.container.image", "", "needs an image", None),
        ("deploymentSpec.executors.exec-make.container", None, "needs one of container, importer", None),
        ("root.dag.tasks.make.cachingOptions", {"enableCache": "yes"}, "should be true or false", None),
        ("root.dag.tasks.make.iteratorPolicy", {"parallelismLimit": 1.5}, "should be a whole number", None),
        ("root.dag.tasks.make.iteratorPolicy", {"parallelismLimit": 2**31}, "should be a whole number", None),
        ("root.dag.tasks.make.retryPolicy", {"backoffDuration": "soon"}, "should be a duration", "90s"),
        ("root.dag.tasks.make.retryPolicy", {"backoffFactor": "much"}, "should be a number", None),
        ("root.dag.tasks.make.triggerPolicy", {"strategy": "ALL"}, "'ALL' is not one of", None),
        ("root.dag.tasks.make.dependentTasks", "use", "should be a list", None),
        ("root.dag.tasks", [], "should be an object", None),
        ("root.dag.tasks", {}, "has no tasks", None),
        ("root.inputDefinitions.parameters.count.defaultValue", "three", "should be a whole number", None),
        ("root.inputDefinitions.parameters.count.defaultValue", 3.5, "should be a whole number", None),
        ("root.inputDefinitions.parameters.count.literals", [1, 2], "is not one of the literals", None),
    ],
)
def test_a_wrong_field_is_refused_at_its_path(path: str, value: Any, what: str, remedy: str | None) -> None:
    problem = refused(json.dumps(change(path, value)))
    assert what in problem.message
    assert problem.place is not None
    # What is missing is told of the object that lacks it.
    assert (
        problem.place.replace("['", ".")
        .replace("']", "")
        .removeprefix("pipeline.yaml: ")
        .startswith(path.split(".", maxsplit=1)[0])
    )
    if remedy is not None:
        assert problem.remedy is not None
        assert remedy in problem.remedy


def test_in_yaml_the_line_is_said_too() -> None:
    text = (SAMPLES / "nested.yaml").read_text().replace("producerSubtask: train", "producerSubtsk: train", 1)
    line = 1 + text.splitlines().index("            - outputArtifactKey: model") + 1
    problem = refused(text)
    assert problem.place == (
        f"pipeline.yaml:{line}: components.comp-inner.dag.outputs.artifacts.model.artifactSelectors[0].producerSubtsk"
    )
    assert problem.remedy == "did you mean 'producerSubtask'?"


def test_names_may_be_written_as_in_the_proto_file_but_not_both_ways() -> None:
    whole = spec()
    whole["schema_version"] = whole.pop("schemaVersion")
    assert load(whole).name == "small"
    whole["schemaVersion"] = "2.1.0"
    assert "two spellings" in refused(json.dumps(whole)).message


def test_null_means_unset_and_numbers_may_be_enum_values() -> None:
    whole = change("root.dag.tasks.make.cachingOptions", None)
    whole["root"]["inputDefinitions"]["parameters"]["count"]["parameterType"] = 2
    assert load(whole).root.inputs.parameters["count"].type == "NUMBER_INTEGER"


def test_the_platform_document_may_come_first_and_its_unknown_fields_are_refused() -> None:
    text = (SAMPLES / "kubernetes.yaml").read_text()
    first, second = text.split("\n---\n")
    assert load_pipeline(f"{second}\n---\n{first}", place="x").platform is not None
    problem = refused(f"{first}\n---\n{second.replace('secretAsEnv', 'secretsAsEnv')}")
    assert "no such field" in problem.message
    assert problem.remedy == "did you mean 'secretAsEnv'?"
    assert problem.place is not None
    assert problem.place.endswith("platforms.kubernetes.deploymentSpec.executors.exec-step.secretsAsEnv")
    assert "no PlatformSpec" in refused(f"{first}\n---\nother: 1").message


def test_another_platform_is_a_note() -> None:
    text = json.dumps(spec()) + "\n---\nplatforms: {vertex: {anything: 1}}"
    # A JSON document followed by another is YAML.
    assert [note.text for note in load_pipeline(text, place="x").notes] == ["the platform vertex is not this one"]


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        order.shuffle(keys)
        return {key: shuffled(value[key], order) for key in keys}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_keys_changes_no_digest(order: random.Random) -> None:
    first = load(spec())
    second = load(shuffled(spec(), order))
    assert first.digest == second.digest
    assert {name: each.digest for name, each in first.components.items()} == {
        name: each.digest for name, each in second.components.items()
    }


def test_a_changed_value_changes_the_digest() -> None:
    assert load(spec()).digest != load(change("root.dag.tasks.make.taskInfo", {"name": "x"})).digest


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.text() | st.binary() | json_values.map(json.dumps) | json_values.map(yaml.safe_dump))
@settings(max_examples=150, deadline=None)
def test_whatever_is_read_is_refused_with_a_message(text: str | bytes) -> None:
    assert refused(text).message


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found.extend(spots(item, (*path, key)))
    return found


SMALL = spec()


@given(st.sampled_from(spots(SMALL)), json_values)
@settings(max_examples=200, deadline=None)
def test_any_change_to_a_spec_loads_or_is_refused(path: tuple[Any, ...], value: Any) -> None:
    whole = copy.deepcopy(SMALL)
    found: Any = whole
    for key in path[:-1]:
        found = found[key]
    found[path[-1]] = value
    with contextlib.suppress(InvalidInput):
        load(whole)


def test_importing_the_package_loads_no_heavy_library() -> None:
    program = (
        "import sys, tidemill.pipelines; "
        "print([name for name in ('google.protobuf', 'yaml', 'cel', 'sqlalchemy', 'fastapi') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

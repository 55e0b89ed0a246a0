"""Every construct that kfp compiles is in the nouns."""

from __future__ import annotations

import pickle

import pytest
from tests.unit.pipelines.specs import SAMPLES, sample

from tidemill.pipelines import MISSING, load_pipeline, plan
from tidemill.pipelines.model import (
    Constant,
    ContainerExecutor,
    FinalStatus,
    FromInput,
    FromTask,
    ImporterExecutor,
    Iterator,
    OutputSource,
    ParameterType,
    RetryPolicy,
    TriggerStrategy,
)
from tidemill.pipelines.platform_model import (
    ClaimMount,
    EmptyFolder,
    NamedEnv,
    NamedFolder,
    NameOfConstant,
    NameOfInput,
    NameOfOutput,
)

NAMES = sorted(path.stem for path in SAMPLES.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_loads_the_same_twice_and_survives_pickling(name: str) -> None:
    first, second = sample(name), sample(name)
    assert first == second
    assert pickle.loads(pickle.dumps(first)) == first
    assert plan(first).order


def test_a_lightweight_component_keeps_its_command_resources_and_env() -> None:
    pipeline = sample("lightweight")
    executor = pipeline.components["comp-produce"].executor
    assert isinstance(executor, ContainerExecutor)
    assert executor.image == "python:3.11"
    assert executor.command[:2] == ("sh", "-c")
    assert "'numpy==2.2.6'" in executor.command[2]
    assert executor.args == ("--executor_input", "{{$}}", "--function_to_execute", "produce")
    assert executor.env == {"MODE": "test"}
    assert (executor.resources.cpu_request, executor.resources.cpu_limit) == ("500m", "2")
    assert (executor.resources.memory_request, executor.resources.memory_limit) == ("256Mi", "1G")


def test_integers_stay_integers_in_defaults_lists_and_objects() -> None:
    inputs = sample("lightweight").components["comp-produce"].inputs.parameters
    assert repr(inputs["count"].default) == "3"
    assert repr(inputs["items"].default) == "[1, 2, 3]"
    assert repr(inputs["options"].default) == "{'deep': {'double': 1.5, 'integer': 7}}"
    assert inputs["flag"].default is True
    assert inputs["comment"].default is MISSING
    assert inputs["comment"].optional
    assert not inputs["comment"].required
    assert inputs["text"].required
    assert repr(sample("loops").root.inputs.parameters["numbers"].default) == "[1, 2]"


def test_a_task_keeps_retry_caching_names_and_bindings() -> None:
    pipeline = sample("lightweight")
    assert pipeline.root.dag is not None
    tasks = pipeline.root.dag.tasks
    assert tasks["produce"].retry == RetryPolicy(
        max_retries=3, backoff_seconds=10, backoff_factor=3, backoff_max_seconds=60
    )
    assert tasks["produce"].display_name == "make the data"
    assert tasks["consume"].cache_key == "my-key"
    assert [tasks[name].caching for name in ("produce", "consume", "plots")] == [True, True, False]
    assert tasks["produce"].parameters["text"] == FromInput(name="text")
    assert tasks["consume"].artifacts == {"table": FromTask(task="produce", output="table")}
    assert tasks["plots"].depends_on == ("consume",)
    assert pipeline.root.dag.parameter_outputs == {
        "Output": OutputSource(candidates=(FromTask(task="consume", output="Output"),))
    }
    assert (pipeline.display_name, pipeline.description) == ("Light weight", "A bit of everything")


def test_branches_become_conditions_and_one_of_their_outputs() -> None:
    pipeline = sample("conditions")
    branches = pipeline.components["comp-condition-branches-1"].dag
    assert branches is not None
    conditions = [task.condition for task in branches.tasks.values()]
    assert conditions[0] == "inputs.parameter_values['pipelinechannel--flip-Output'] == 'heads'"
    assert all(condition and condition.startswith("!(") for condition in conditions[1:])
    said = branches.parameter_outputs["pipelinechannel--condition-branches-1-oneof-1"]
    seen = branches.artifact_outputs["pipelinechannel--condition-branches-1-oneof-2"]
    assert [each.task for each in said.candidates] == ["condition-2", "condition-3", "condition-4"]
    assert [each.task for each in seen.candidates] == ["condition-2", "condition-3", "condition-4"]


def test_loops_have_their_items_limits_and_collected_lists() -> None:
    pipeline = sample("loops")
    assert pipeline.root.dag is not None
    tasks = pipeline.root.dag.tasks
    assert tasks["for-loop-2"].iterator == Iterator(
        item_input="pipelinechannel--loop-item-param-1", literal=(1, 2, 3), parallelism=2
    )
    assert tasks["for-loop-2"].display_name == "the literals"
    assert tasks["for-loop-9"].iterator == Iterator(
        item_input="pipelinechannel--words-loop-item", items_input="pipelinechannel--words"
    )
    assert tasks["for-loop-11"].iterator == Iterator(
        item_input="pipelinechannel--pages-Output-loop-item",
        items_input="pipelinechannel--pages-Output",
        of_artifacts=True,
        parallelism=1,
    )
    assert tasks["bind"].artifacts["pages"] == FromTask(task="for-loop-9", output="pipelinechannel--write-page")
    assert pipeline.components["comp-bind"].inputs.artifacts["pages"].is_list
    greet = pipeline.components["comp-for-loop-7"].dag
    assert greet is not None
    assert greet.tasks["greet"].parameters["label"] == FromInput(
        name="pipelinechannel--loop-item-param-6", selector='parseJson(string_value)["label"]'
    )
    assert set(plan(pipeline).nested["for-loop-3"].nested) == {"for-loop-5"}


def test_an_exit_task_waits_for_completion_and_gets_the_status() -> None:
    pipeline = sample("exits")
    assert pipeline.root.dag is not None
    last = pipeline.root.dag.tasks["clean-up"]
    assert last.trigger_strategy is TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED
    assert last.parameters["status"] == FinalStatus(task="exit-handler-1")
    inner = pipeline.components["comp-exit-handler-1"].dag
    assert inner is not None
    assert inner.tasks["carry-on"].trigger_strategy is TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED
    assert inner.tasks["fail"].trigger_strategy is TriggerStrategy.ALL_UPSTREAM_TASKS_SUCCEEDED


def test_importers_have_a_uri_or_the_input_that_holds_it() -> None:
    components = sample("importers").components
    fixed, given, made = (components[f"comp-importer{suffix}"].executor for suffix in ("", "-2", "-3"))
    assert isinstance(fixed, ImporterExecutor)
    assert isinstance(given, ImporterExecutor)
    assert isinstance(made, ImporterExecutor)
    assert (fixed.uri, fixed.uri_input, fixed.reimport) == ("gs://bucket/fixed.csv", None, False)
    assert repr(fixed.metadata) == "{'nested': {'list': [1, 'two']}, 'owner': 'me', 'rows': 10}"
    assert (given.uri_input, given.reimport) == ("uri", True)
    assert given.metadata == {"version": "{{$.inputs.parameters['metadata']}}"}
    assert made.download_to_workspace
    assert made.artifact.schema_title == "system.Dataset"


def test_a_nested_pipeline_is_a_component_with_a_dag() -> None:
    pipeline = sample("nested")
    assert pipeline.components["comp-inner"].dag is not None
    assert pipeline.root.inputs.artifacts["data"].schema_title == "system.Dataset"
    assert pipeline.pipeline_root == "s3://bucket/root"
    assert pipeline.root.dag is not None
    note = pipeline.root.dag.tasks["note"]
    text = note.parameters["text"]
    assert isinstance(text, Constant)
    assert text.value.startswith("{{$.inputs.parameters['pipelinechannel--name']}}: ")
    assert set(note.parameters) > {"text", "pipelinechannel--name"}
    assert note.depends_on == ("inner", "inner-2")


def test_the_kubernetes_document_becomes_what_a_step_needs() -> None:
    pipeline = sample("kubernetes")
    executor = pipeline.components["comp-step"].executor
    assert isinstance(executor, ContainerExecutor)
    needs = executor.platform
    assert needs.secret_env == (
        NamedEnv(name=NameOfInput(name="secret"), variables={"password": "PASSWORD"}, optional=True),
    )
    assert needs.secret_folders == (NamedFolder(name=NameOfConstant(value="fixed"), mount_path="/secrets"),)
    assert needs.config_env == (NamedEnv(name=NameOfConstant(value="config"), variables={"mode": "MODE"}),)
    assert needs.config_folders == (NamedFolder(name=NameOfConstant(value="config"), mount_path="/config"),)
    assert needs.claims == (
        ClaimMount(name=NameOfOutput(task="createpvc", output="name"), mount_path="/data"),
        ClaimMount(name=NameOfInput(name="claim"), mount_path="/claim", sub_path="deep"),
        ClaimMount(name=NameOfConstant(value="constant"), mount_path="/constant"),
    )
    assert needs.empty_folders == (
        EmptyFolder(name="scratch", mount_path="/scratch", in_memory=True, size="1Gi"),
        EmptyFolder(name="temp", mount_path="/temp", size="2Gi"),
    )
    assert needs.fields == {"POD": "metadata.name"}
    assert needs.active_deadline_seconds == 120
    assert (executor.resources.accelerator_type, executor.resources.accelerators) == ("nvidia.com/gpu", "1")
    assert pipeline.config.workspace is not None
    assert pipeline.config.workspace.size == "25Gi"


def test_what_means_nothing_on_one_machine_is_a_note_each_once() -> None:
    pipeline = sample("kubernetes")
    said = [note.text.split(" ")[0] for note in pipeline.notes]
    once = "imagePullPolicy imagePullSecret nodeSelector podMetadata pvcSpecPatch securityContext tolerations"
    assert sorted(said) == once.split()
    assert all("kubernetes.yaml:" in note.place for note in pipeline.notes)
    assert pipeline.platform is not None


def test_a_task_config_parameter_knows_what_it_carries() -> None:
    launch = sample("kubernetes").components["comp-launch"]
    assert launch.inputs.parameters["task_config"].type is ParameterType.TASK_CONFIG
    assert [(each.kind, each.apply_to_task) for each in launch.config_passthroughs] == [
        ("RESOURCES", False),
        ("ENV", True),
    ]


def test_the_raw_spec_is_what_was_read() -> None:
    pipeline = sample("nested")
    assert pipeline.raw["pipelineInfo"] == {"name": "nested"}
    again = load_pipeline((SAMPLES / "nested.yaml").read_text(), place="elsewhere")
    assert again.digest == pipeline.digest


def test_equal_components_have_equal_digests_whatever_their_names() -> None:
    components = sample("loops").components
    assert components["comp-greet"].digest == components["comp-greet-2"].digest
    assert components["comp-greet"].digest != components["comp-double"].digest

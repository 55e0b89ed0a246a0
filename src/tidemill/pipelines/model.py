"""The nouns of a pipeline: what a KFP v2 PipelineSpec says, typed, with nothing of it lost."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from tidemill.pipelines.platform_model import NO_EXECUTOR_PLATFORM, ExecutorPlatform, PipelineConfig


class Missing(enum.Enum):
    """The type of `MISSING`; an enum, so that identity survives pickling and type checkers narrow on it."""

    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING
"""Stands where there is no value at all; None is a value (JSON null)."""


class ParameterType(enum.StrEnum):
    """The type of a parameter, by KFP's name."""

    NUMBER_DOUBLE = "NUMBER_DOUBLE"
    NUMBER_INTEGER = "NUMBER_INTEGER"
    STRING = "STRING"
    BOOLEAN = "BOOLEAN"
    LIST = "LIST"
    STRUCT = "STRUCT"
    TASK_FINAL_STATUS = "TASK_FINAL_STATUS"
    """The state of another task when it ended, for exit tasks."""
    TASK_CONFIG = "TASK_CONFIG"
    """How the engine would have started the task (resources, env, ...): see `Component.config_passthroughs`."""


class TriggerStrategy(enum.StrEnum):
    """When a task may start."""

    ALL_UPSTREAM_TASKS_SUCCEEDED = "ALL_UPSTREAM_TASKS_SUCCEEDED"
    """Every upstream task succeeded (a skipped one makes this task skipped too)."""
    ALL_UPSTREAM_TASKS_COMPLETED = "ALL_UPSTREAM_TASKS_COMPLETED"
    """Every upstream task ended, whatever its state: exit tasks and `ignore_upstream_failure`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSpec:
    """One parameter of an interface.

    `default` is JSON, or MISSING; `optional` without a default means that the value may be left out altogether.
    `literals`, when not empty, are the only allowed values. For outputs only `type` and `description` count.
    """

    type: ParameterType
    optional: bool = False
    default: Any = MISSING
    description: str = ""
    literals: tuple[Any, ...] = ()

    @property
    def required(self) -> bool:
        """True when a caller must give a value."""
        return not self.optional and self.default is MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactSpec:
    """One artifact of an interface; `schema_title` reads like `system.Dataset`; `is_list` is `List[Dataset]`.

    `schema_uri` and `instance_schema` stand in for the title where a spec uses them; `metadata` is what an output
    declares.
    """

    schema_title: str = "system.Artifact"
    schema_version: str = "0.0.1"
    is_list: bool = False
    optional: bool = False
    description: str = ""
    schema_uri: str = ""
    instance_schema: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The inputs or the outputs of a component, by name."""

    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactSpec] = field(default_factory=dict)


NO_INTERFACE: Final = Interface()


# --- where the input of a task comes from


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """A JSON value of the spec; strings in it may hold placeholders on the task's other inputs (`resolve_value`)."""

    value: Any
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromInput:
    """An input of the component whose DAG the task stands in; in the root's DAG: a parameter of the run."""

    name: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromTask:
    """An output of another task of the same DAG.

    When that task has an iterator it is the list of all iterations in their order (`dsl.Collected`).
    """

    task: str
    output: str
    selector: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalStatus:
    """The final status of another task of the same DAG, as KFP's PipelineTaskFinalStatus JSON."""

    task: str
    selector: str = ""


ParameterBinding: TypeAlias = Constant | FromInput | FromTask | FinalStatus
"""`selector`, when not empty, is KFP's expression on the value: `parseJson(string_value)["a"]`; see `select_value`."""
ArtifactBinding: TypeAlias = FromInput | FromTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Iterator:
    """The task runs once for each item, each time with the item as its component's input `item_input`.

    The items are `literal` (JSON values) when it is not None, else the list that the *task's own* input `items_input`
    has: an artifact list when `of_artifacts`, else a parameter (a list, or text that is a JSON list).
    At most `parallelism` iterations run at a time; None means no limit.
    """

    item_input: str
    items_input: str | None = None
    literal: tuple[Any, ...] | None = None
    of_artifacts: bool = False
    parallelism: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a failed task is tried again; attempt n waits min(backoff * factor ** (n - 1), maximum) seconds."""

    max_retries: int = 0
    backoff_seconds: float = 0.0
    backoff_factor: float = 2.0
    backoff_max_seconds: float = 3600.0


NO_RETRY: Final = RetryPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task of a DAG: a component with its inputs bound.

    `component` is a key of `Pipeline.components`. Inputs that the component does not declare are for placeholders in
    its executor and in other inputs. `depends_on` names every upstream task of the same DAG: those the spec lists and
    those that an input comes from. `condition` is CEL over the task's own inputs (`evaluate_condition`).
    """

    name: str
    display_name: str
    component: str
    parameters: Mapping[str, ParameterBinding] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactBinding] = field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    trigger_strategy: TriggerStrategy = TriggerStrategy.ALL_UPSTREAM_TASKS_SUCCEEDED
    iterator: Iterator | None = None
    caching: bool = False
    cache_key: str | None = None
    retry: RetryPolicy = NO_RETRY


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSource:
    """Where an output of a DAG comes from: the first of `candidates` whose task was not skipped (`dsl.OneOf`).

    With one candidate it is simply that output. As for `FromTask`, an iterator's output is the list of all iterations.
    """

    candidates: tuple[FromTask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dag:
    """Tasks that depend on each other, and what they give back as outputs of the component."""

    tasks: Mapping[str, TaskSpec]
    parameter_outputs: Mapping[str, OutputSource] = field(default_factory=dict)
    artifact_outputs: Mapping[str, OutputSource] = field(default_factory=dict)


# --- what runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a container asks for, as text in Kubernetes quantities (`500m`, `1.5`, `2Gi`), "" when it does not say.

    Placeholders on the task's inputs are possible: `resolve_resources` gives numbers. `accelerators` is a count.
    """

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""
    accelerator_type: str = ""
    accelerators: str = ""


NO_RESOURCES: Final = Resources()


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command line whose strings may hold placeholders (`resolve_placeholders`)."""

    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerExecutor:
    """A container; every string of it may hold placeholders (`resolve_placeholders`).

    Empty `command` means the image's entry point. `cache_check` runs before the cache is asked and may set the
    outputs that take part in the key (KFP's pre-cache-check hook); None in nearly all specs.
    """

    label: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = NO_RESOURCES
    platform: ExecutorPlatform = NO_EXECUTOR_PLATFORM
    cache_check: Command | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImporterExecutor:
    """Registers what lies at a URI as an artifact; the component has one output artifact, named `artifact` by kfp.

    `uri` is text with placeholders, or the component's parameter `uri_input` when that is not None. `metadata` is JSON
    whose strings may hold placeholders. Without `reimport` an artifact of the same URI and metadata is used again.
    """

    label: str
    artifact: ArtifactSpec
    uri: str = ""
    uri_input: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    reimport: bool = False
    download_to_workspace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactQuery:
    """Which stored artifacts a resolver takes: a filter expression, and how many at most."""

    filter: str
    limit: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverExecutor:
    """Takes artifacts made by earlier runs, by output name; valid in the spec, compiled by no released kfp."""

    label: str
    queries: Mapping[str, ArtifactQuery]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomJobExecutor:
    """A job description of Google's AI Platform; valid in the spec, and it runs only there."""

    label: str
    job: Mapping[str, Any]


Executor: TypeAlias = ContainerExecutor | ImporterExecutor | ResolverExecutor | CustomJobExecutor


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPassthrough:
    """A part of the task's configuration that its TASK_CONFIG parameter carries; `apply_to_task`: it counts for the
    task as well. `kind` is KFP's name: RESOURCES, ENV, KUBERNETES_VOLUMES, ...
    """

    kind: str
    apply_to_task: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """An interface and what is behind it: a DAG, or an executor (exactly one of both is set).

    `digest` covers the interface and the executor with its platform part, not its name and label: equal digests do the
    same work. For a DAG it covers the DAG's own text.
    """

    name: str
    digest: str
    inputs: Interface = NO_INTERFACE
    outputs: Interface = NO_INTERFACE
    dag: Dag | None = None
    executor: Executor | None = None
    config_passthroughs: tuple[ConfigPassthrough, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something of the spec that has no meaning on one machine: recorded and said once, never an error."""

    place: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A checked PipelineSpec.

    `root` is the component of the whole (its inputs are the run's parameters), `components` all others by name.
    `raw` is the spec as plain JSON exactly as it was read (integers are int), `platform` the PlatformSpec document.
    `digest` is the sha256 of both in canonical JSON.
    """

    name: str
    digest: str
    root: Component
    components: Mapping[str, Component]
    raw: Mapping[str, Any]
    platform: Mapping[str, Any] | None
    display_name: str
    description: str
    sdk_version: str
    schema_version: str
    pipeline_root: str
    config: PipelineConfig
    notes: tuple[Note, ...]

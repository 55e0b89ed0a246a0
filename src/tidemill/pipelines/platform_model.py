"""The nouns of a kubernetes PlatformSpec: what a step or a pipeline asks of the place it runs in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOfConstant:
    """The name of an object, written in the spec; it may hold placeholders on the task's inputs."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOfInput:
    """The name of an object is an input parameter of the component whose DAG the task stands in."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOfOutput:
    """The name of an object is an output parameter of another task of the same DAG."""

    task: str
    output: str


CREATE_CLAIM_IMAGE: Final = "argostub/createpvc"
"""The image of kfp's CreatePVC: the engine makes the claim itself; inputs pvc_name or pvc_name_suffix, output name."""
DELETE_CLAIM_IMAGE: Final = "argostub/deletepvc"
"""The image of kfp's DeletePVC: the engine deletes the claim itself; input pvc_name."""

NameReference: TypeAlias = NameOfConstant | NameOfInput | NameOfOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEnv:
    """Keys of a secret or config map as environment variables: `variables` maps the key to the variable's name."""

    name: NameReference
    variables: Mapping[str, str]
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedFolder:
    """A secret or config map as a folder at `mount_path`, one file per key."""

    name: NameReference
    mount_path: str
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimMount:
    """A persistent volume claim, here a named folder that lasts, at `mount_path`; `sub_path` is a folder in it."""

    name: NameReference
    mount_path: str
    sub_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyFolder:
    """A folder that is empty at the start and gone at the end; `in_memory` asks for RAM; `size` is a quantity or ""."""

    name: str
    mount_path: str
    in_memory: bool = False
    size: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorPlatform:
    """What one executor asks of its platform; `fields` maps a variable to a pod field path (`metadata.name`)."""

    secret_env: tuple[NamedEnv, ...] = ()
    secret_folders: tuple[NamedFolder, ...] = ()
    config_env: tuple[NamedEnv, ...] = ()
    config_folders: tuple[NamedFolder, ...] = ()
    claims: tuple[ClaimMount, ...] = ()
    empty_folders: tuple[EmptyFolder, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    active_deadline_seconds: int | None = None


NO_EXECUTOR_PLATFORM: Final = ExecutorPlatform()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A folder shared by all tasks of a run; `size` is a quantity; `claim_patch` is for a cluster only."""

    size: str
    claim_patch: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineConfig:
    """What a pipeline asks of its platform; times in seconds, None when it does not say."""

    workspace: Workspace | None = None
    active_deadline_seconds: int | None = None
    ttl_after_completion_seconds: int | None = None
    ttl_after_success_seconds: int | None = None
    ttl_after_failure_seconds: int | None = None


NO_PIPELINE_CONFIG: Final = PipelineConfig()

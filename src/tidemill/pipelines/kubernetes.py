"""Parse the kubernetes part of a PlatformSpec: what a step can have here becomes nouns, the rest becomes notes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tidemill.pipelines.documents import Spot
from tidemill.pipelines.model import Note
from tidemill.pipelines.platform_model import (
    NO_PIPELINE_CONFIG,
    ClaimMount,
    EmptyFolder,
    ExecutorPlatform,
    NamedEnv,
    NamedFolder,
    NameOfConstant,
    NameOfInput,
    NameOfOutput,
    NameReference,
    PipelineConfig,
    Workspace,
)
from tidemill.pipelines.schema import kind_of, nearest

Shape = Mapping[str, str]

OUTPUT: Final = {"producerTask": "text", "outputParameterKey": "text"}
PARAMETER: Final = {
    "taskOutputParameter": "object",
    "runtimeValue": "object",
    "componentInputParameter": "text",
    "taskFinalStatus": "object",
    "parameterExpressionSelector": "text",
}
EXECUTOR: Final = {
    "secretAsVolume": "list",
    "secretAsEnv": "list",
    "pvcMount": "list",
    "nodeSelector": "object",
    "podMetadata": "object",
    "imagePullSecret": "list",
    "imagePullPolicy": "text",
    "configMapAsVolume": "list",
    "configMapAsEnv": "list",
    "activeDeadlineSeconds": "integer",
    "fieldPathAsEnv": "list",
    "tolerations": "list",
    "genericEphemeralVolume": "list",
    "nodeAffinity": "list",
    "podAffinity": "list",
    "enabledSharedMemory": "object",
    "emptyDirMounts": "list",
    "securityContext": "object",
}
MEANINGLESS: Final = {
    "nodeSelector": "there is one node",
    "podMetadata": "there is no pod",
    "imagePullSecret": "images come from the container engine, with its own logins",
    "imagePullPolicy": "images come from the container engine, by its own policy",
    "tolerations": "there is one node",
    "nodeAffinity": "there is one node",
    "podAffinity": "there are no pods",
    "enabledSharedMemory": "a step has the machine's shared memory",
    "securityContext": "a step runs as the user who runs the site",
}
"""Fields of an executor that are kept in the document and have no meaning on one machine, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformParts:
    """What a PlatformSpec says: for each executor label, for the pipeline, and what has no meaning here."""

    executors: Mapping[str, ExecutorPlatform]
    config: PipelineConfig
    notes: tuple[Note, ...]


def parse_platform(spot: Spot) -> PlatformParts:
    """Parse a PlatformSpec document; an unknown field raises `InvalidInput` with the nearest known name."""
    top = read_object(spot.document.value, spot, {"platforms": "object"})
    notes: list[Note] = []
    executors: dict[str, ExecutorPlatform] = {}
    config = NO_PIPELINE_CONFIG
    for name, platform in top.get("platforms", {}).items():
        here = spot.at("platforms", name)
        if name != "kubernetes":
            notes.append(Note(place=here.place, text=f"the platform {name} is not this one"))
            continue
        parts = parse_single_platform(platform, here)
        executors, config = dict(parts.executors), parts.config
        notes.extend(parts.notes)
    return PlatformParts(executors=executors, config=config, notes=tuple(notes))


def parse_single_platform(value: Any, spot: Spot) -> PlatformParts:
    """Parse one SinglePlatformSpec."""
    shape = {"deploymentSpec": "object", "platform": "text", "config": "object", "pipelineConfig": "object"}
    single = read_object(value, spot, shape)
    notes: list[Note] = []
    below = spot.at("deploymentSpec")
    deployment = read_object(single.get("deploymentSpec", {}), below, {"executors": "object"})
    executors = {
        label: _executor(executor, below.at("executors", label), notes)
        for label, executor in deployment.get("executors", {}).items()
    }
    config = _pipeline_config(single.get("pipelineConfig", {}), spot.at("pipelineConfig"), notes)
    return PlatformParts(executors=executors, config=config, notes=tuple(notes))


def _executor(value: Any, spot: Spot, notes: list[Note]) -> ExecutorPlatform:
    config = read_object(value, spot, EXECUTOR)
    for name, reason in MEANINGLESS.items():
        if config.get(name):
            notes.append(Note(place=spot.at(name).place, text=f"{name} has no meaning on one machine: {reason}"))

    def each(name: str, parse: Callable[[Any, Spot], Any]) -> tuple[Any, ...]:
        return tuple(parse(item, spot.at(name, index)) for index, item in enumerate(config.get(name, [])))

    return ExecutorPlatform(
        secret_env=each("secretAsEnv", lambda item, at: _env(item, at, "secretName", "secretKey")),
        secret_folders=each("secretAsVolume", lambda item, at: _folder(item, at, "secretName")),
        config_env=each("configMapAsEnv", lambda item, at: _env(item, at, "configMapName", "configMapKey")),
        config_folders=each("configMapAsVolume", lambda item, at: _folder(item, at, "configMapName")),
        claims=each("pvcMount", _claim),
        empty_folders=each("emptyDirMounts", _empty_folder) + each("genericEphemeralVolume", _ephemeral),
        fields=dict(each("fieldPathAsEnv", _field_path)),
        active_deadline_seconds=_seconds(config, "activeDeadlineSeconds"),
    )


def _env(value: Any, spot: Spot, name: str, key: str) -> NamedEnv:
    shape = {name: "text", "keyToEnv": "list", "optional": "boolean", f"{name}Parameter": "object"}
    item = read_object(value, spot, shape)
    variables: dict[str, str] = {}
    for index, pair in enumerate(item.get("keyToEnv", [])):
        here = spot.at("keyToEnv", index)
        parts = read_object(pair, here, {key: "text", "envVar": "text"}, required=(key, "envVar"))
        variables[parts[key]] = parts["envVar"]
    return NamedEnv(name=_name(item, spot, name), variables=variables, optional=item.get("optional", False))


def _folder(value: Any, spot: Spot, name: str) -> NamedFolder:
    shape = {name: "text", "mountPath": "text", "optional": "boolean", f"{name}Parameter": "object"}
    item = read_object(value, spot, shape, required=("mountPath",))
    # The proto says nothing of a missing `optional`; Kubernetes reads it as false.
    optional = item.get("optional", False)
    return NamedFolder(name=_name(item, spot, name), mount_path=item["mountPath"], optional=optional)


def _claim(value: Any, spot: Spot) -> ClaimMount:
    shape = {
        "taskOutputParameter": "object",
        "constant": "text",
        "componentInputParameter": "text",
        "mountPath": "text",
        "pvcNameParameter": "object",
        "subPath": "text",
    }
    item = read_object(value, spot, shape, required=("mountPath",))
    if "pvcNameParameter" in item:
        name = _reference(item["pvcNameParameter"], spot.at("pvcNameParameter"))
    elif "constant" in item:
        name = NameOfConstant(value=item["constant"])
    else:
        binding = {key: item[key] for key in ("taskOutputParameter", "componentInputParameter") if key in item}
        name = _reference(binding, spot)
    return ClaimMount(name=name, mount_path=item["mountPath"], sub_path=item.get("subPath", ""))


def _empty_folder(value: Any, spot: Spot) -> EmptyFolder:
    shape = {"volumeName": "text", "mountPath": "text", "medium": "text", "sizeLimit": "text"}
    item = read_object(value, spot, shape, required=("mountPath",))
    return EmptyFolder(
        name=item.get("volumeName", ""),
        mount_path=item["mountPath"],
        in_memory=item.get("medium", "") == "Memory",
        size=item.get("sizeLimit", ""),
    )


def _ephemeral(value: Any, spot: Spot) -> EmptyFolder:
    shape = {
        "volumeName": "text",
        "mountPath": "text",
        "accessModes": "list",
        "size": "text",
        "defaultStorageClass": "boolean",
        "storageClassName": "text",
        "metadata": "object",
    }
    item = read_object(value, spot, shape, required=("mountPath",))
    return EmptyFolder(name=item.get("volumeName", ""), mount_path=item["mountPath"], size=item.get("size", ""))


def _field_path(value: Any, spot: Spot) -> tuple[str, str]:
    item = read_object(value, spot, {"name": "text", "fieldPath": "text"}, required=("name", "fieldPath"))
    return item["name"], item["fieldPath"]


def _name(item: Mapping[str, Any], spot: Spot, name: str) -> NameReference:
    parameter = f"{name}Parameter"
    if parameter in item:
        return _reference(item[parameter], spot.at(parameter))
    if name in item:
        return NameOfConstant(value=item[name])
    raise spot.problem(f"needs {name} or {parameter}")


def _reference(value: Any, spot: Spot) -> NameReference:
    binding = read_object(value, spot, PARAMETER)
    if "componentInputParameter" in binding:
        return NameOfInput(name=binding["componentInputParameter"])
    if "taskOutputParameter" in binding:
        below = spot.at("taskOutputParameter")
        output = read_object(binding["taskOutputParameter"], below, OUTPUT, required=tuple(OUTPUT))
        return NameOfOutput(task=output["producerTask"], output=output["outputParameterKey"])
    below = spot.at("runtimeValue")
    runtime = read_object(binding.get("runtimeValue", {}), below, {"constant": "any", "runtimeParameter": "text"})
    if "runtimeParameter" in runtime:
        return NameOfInput(name=runtime["runtimeParameter"])
    if not isinstance(runtime.get("constant"), str):
        raise spot.problem("needs the name as a constant text, an input or an output of a task")
    return NameOfConstant(value=runtime["constant"])


def _pipeline_config(value: Any, spot: Spot, notes: list[Note]) -> PipelineConfig:
    shape = {
        "resourceTtlOnCompletion": "integer",
        "workspace": "object",
        "resourceTtlOnSuccess": "integer",
        "resourceTtlOnFailure": "integer",
        "activeDeadlineSeconds": "integer",
    }
    config = read_object(value, spot, shape)
    workspace = None
    if "workspace" in config:
        here = spot.at("workspace")
        item = read_object(config["workspace"], here, {"size": "text", "kubernetes": "object"}, required=("size",))
        cluster = read_object(item.get("kubernetes", {}), here.at("kubernetes"), {"pvcSpecPatch": "object"})
        patch = cluster.get("pvcSpecPatch", {})
        if patch:
            place = here.at("kubernetes", "pvcSpecPatch").place
            notes.append(
                Note(place=place, text="pvcSpecPatch has no meaning on one machine: the workspace is a folder")
            )
        workspace = Workspace(size=item["size"], claim_patch=patch)
    return PipelineConfig(
        workspace=workspace,
        active_deadline_seconds=_seconds(config, "activeDeadlineSeconds"),
        ttl_after_completion_seconds=_seconds(config, "resourceTtlOnCompletion"),
        ttl_after_success_seconds=_seconds(config, "resourceTtlOnSuccess"),
        ttl_after_failure_seconds=_seconds(config, "resourceTtlOnFailure"),
    )


def _seconds(config: Mapping[str, Any], name: str) -> int | None:
    # Unset and 0 are the same in proto3: no limit.
    return config.get(name) or None


def read_object(value: Any, spot: Spot, shape: Shape, *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object with only known fields, each of its kind: text, boolean, integer, list, object, any.

    Null counts as unset, and whole numbers may be text, as in protobuf's JSON. `InvalidInput` for anything else.
    """
    if not isinstance(value, dict):
        raise spot.problem(f"should be an object, and is {kind_of(value)}")
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in shape else re.sub(r"_([a-z])", lambda match: match[1].upper(), key)
        if name not in shape:
            raise spot.at(key).problem("no such field", nearest(key, shape))
        if item is not None:
            result[name] = _of_kind(item, shape[name], spot.at(key))
    for key in required:
        if key not in result:
            raise spot.problem(f"needs the field {key!r}")
    return result


def _of_kind(value: Any, kind: str, spot: Spot) -> Any:
    if kind == "any":
        return value
    if kind == "integer":
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
            return int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
            return int(value)
    elif isinstance(value, {"text": str, "boolean": bool, "list": list, "object": dict}[kind]):
        return value
    raise spot.problem(f"should be {kind}, and is {kind_of(value)}")

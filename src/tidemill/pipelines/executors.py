"""Build executors: containers, importers, resolvers and custom jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.pipelines.documents import Spot
from tidemill.pipelines.interfaces import build_artifact, constants, runtime_value, whole_numbers
from tidemill.pipelines.model import (
    NO_RESOURCES,
    ArtifactQuery,
    Command,
    ContainerExecutor,
    CustomJobExecutor,
    Executor,
    ImporterExecutor,
    ResolverExecutor,
    Resources,
)
from tidemill.pipelines.platform_model import ExecutorPlatform


def build_executor(label: str, spec: Mapping[str, Any], platform: ExecutorPlatform, spot: Spot) -> Executor:
    """The executor of a conformed ExecutorSpec."""
    if "container" in spec:
        return _container(label, spec["container"], platform, spot.at("container"))
    if "importer" in spec:
        return _importer(label, spec["importer"], spot.at("importer"))
    if "resolver" in spec:
        queries = spec["resolver"].get("outputArtifactQueries", {})
        return ResolverExecutor(
            label=label,
            queries={
                name: ArtifactQuery(filter=query.get("filter", ""), limit=query.get("limit", 0) or 1)
                for name, query in queries.items()
            },
        )
    if "customJob" in spec:
        return CustomJobExecutor(label=label, job=spec["customJob"].get("customJob", {}))
    raise spot.problem("needs one of container, importer, resolver and customJob")


def _container(label: str, spec: Mapping[str, Any], platform: ExecutorPlatform, spot: Spot) -> ContainerExecutor:
    if not spec.get("image"):
        raise spot.problem("needs an image")
    env: dict[str, str] = {}
    for index, variable in enumerate(spec.get("env", [])):
        if not variable.get("name"):
            raise spot.at("env", index).problem("needs a name")
        env[variable["name"]] = variable.get("value", "")
    hook = spec.get("lifecycle", {}).get("preCacheCheck")
    return ContainerExecutor(
        label=label,
        image=spec["image"],
        command=tuple(spec.get("command", [])),
        args=tuple(spec.get("args", [])),
        env=env,
        resources=_resources(spec.get("resources", {})),
        platform=platform,
        cache_check=None if hook is None else _command(hook),
    )


def _command(spec: Mapping[str, Any]) -> Command:
    return Command(command=tuple(spec.get("command", [])), args=tuple(spec.get("args", [])))


def _resources(spec: Mapping[str, Any]) -> Resources:
    if not spec:
        return NO_RESOURCES
    accelerator = spec.get("accelerator", {})
    count = accelerator.get("count", 0)
    return Resources(
        cpu_request=spec.get("resourceCpuRequest", "") or _quantity(spec.get("cpuRequest", 0.0), ""),
        cpu_limit=spec.get("resourceCpuLimit", "") or _quantity(spec.get("cpuLimit", 0.0), ""),
        # The old fields count memory in units of 10^9 bytes.
        memory_request=spec.get("resourceMemoryRequest", "") or _quantity(spec.get("memoryRequest", 0.0), "G"),
        memory_limit=spec.get("resourceMemoryLimit", "") or _quantity(spec.get("memoryLimit", 0.0), "G"),
        accelerator_type=accelerator.get("resourceType", "") or accelerator.get("type", ""),
        accelerators=accelerator.get("resourceCount", "") or (str(count) if count else ""),
    )


def _quantity(number: float, unit: str) -> str:
    return f"{whole_numbers(number)}{unit}" if number else ""


def _importer(label: str, spec: Mapping[str, Any], spot: Spot) -> ImporterExecutor:
    source = spec.get("artifactUri", {})
    uri = ""
    if "runtimeParameter" not in source:
        uri = runtime_value(source)
        if not isinstance(uri, str):
            raise spot.at("artifactUri").problem("needs a text: a constant or a runtimeParameter")
    metadata = {**constants(spec.get("properties", {})), **constants(spec.get("customProperties", {}))}
    metadata.update(whole_numbers(spec.get("metadata", {})))
    return ImporterExecutor(
        label=label,
        artifact=build_artifact({"artifactType": spec.get("typeSchema", {})}, spot.at("typeSchema")),
        uri=uri,
        uri_input=source.get("runtimeParameter"),
        metadata=metadata,
        reimport=spec.get("reimport", False),
        download_to_workspace=spec.get("downloadToWorkspace", False),
    )

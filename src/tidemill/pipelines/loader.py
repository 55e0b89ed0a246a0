"""Load a PipelineSpec: strict, checked, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tidemill.base.canonical import digest_json
from tidemill.base.errors import InvalidInput
from tidemill.pipelines.check import Checker, check_nesting
from tidemill.pipelines.digest import spec_digest
from tidemill.pipelines.documents import Document, Spot, read_documents
from tidemill.pipelines.executors import build_executor
from tidemill.pipelines.foreign import what_it_is
from tidemill.pipelines.interfaces import build_interface
from tidemill.pipelines.kubernetes import PlatformParts, parse_platform, parse_single_platform
from tidemill.pipelines.model import Component, ConfigPassthrough, Executor, Interface, Pipeline
from tidemill.pipelines.platform_model import NO_EXECUTOR_PLATFORM, NO_PIPELINE_CONFIG
from tidemill.pipelines.schema import conform, nearest
from tidemill.pipelines.tasks import build_dag

SCHEMA_VERSION = "2.1.0"


def load_pipeline(data: bytes | str, *, place: str) -> Pipeline:
    """Load a KFP v2 PipelineSpec (schema 2.1.0) from YAML or JSON, with an optional second PlatformSpec document.

    `place` names the file in messages. Whatever is wrong with the text raises `InvalidInput` with the field's path
    (`TooLarge` above 32 MiB).
    """
    documents = read_documents(data, place=place)
    document, platform = _sort(documents, place)
    root = Spot(document=document)
    spec = _conform_spec(document.value, root)
    parts = PlatformParts(executors={}, config=NO_PIPELINE_CONFIG, notes=())
    if platform is not None:
        parts = parse_platform(Spot(document=platform))
    parts = _with_embedded(spec, root, parts)
    components = _build(spec, root, parts)
    whole = components.pop("")
    checker = Checker(components=components)
    check_nesting(components, whole, root)
    for name, component in components.items():
        checker.check(component, root.at("components", name))
    checker.check(whole, root.at("root"))
    info = spec["pipelineInfo"]
    second = platform.value if platform is not None else None
    return Pipeline(
        name=info["name"],
        digest=spec_digest(document.value, second),
        root=whole,
        components=components,
        raw=document.value,
        platform=second,
        display_name=info.get("displayName", "") or info["name"],
        description=info.get("description", ""),
        sdk_version=spec.get("sdkVersion", ""),
        schema_version=spec["schemaVersion"],
        pipeline_root=spec.get("defaultPipelineRoot", ""),
        config=parts.config,
        notes=parts.notes,
    )


def _sort(documents: list[Document], place: str) -> tuple[Document, Document | None]:
    """The PipelineSpec and the PlatformSpec among the documents."""
    if not documents:
        raise InvalidInput("is empty", place=place, remedy="give a pipeline that kfp or tidemill compiled")
    if len(documents) > 2:
        raise InvalidInput(
            f"holds {len(documents)} documents, and a pipeline has one, or two with its PlatformSpec", place=place
        )
    first, *rest = documents
    if rest and _is_platform(first) and not _is_platform(rest[0]):
        first, rest = rest[0], [first]
    foreign = what_it_is(first.value)
    if foreign is not None:
        raise InvalidInput(foreign.what, place=place, remedy=foreign.remedy)
    if rest and not _is_platform(rest[0]):
        raise Spot(document=rest[0]).problem("the second document is no PlatformSpec (it has no `platforms`)")
    return first, rest[0] if rest else None


def _is_platform(document: Document) -> bool:
    return isinstance(document.value, dict) and "platforms" in document.value


def _conform_spec(value: Any, spot: Spot) -> dict[str, Any]:
    from google.protobuf import json_format  # protobuf and the messages: 40 ms
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    spec = conform(value, messages.PipelineSpec.DESCRIPTOR, spot)
    version = spec.get("schemaVersion")
    if version != SCHEMA_VERSION:
        raise spot.at("schemaVersion").problem(
            f"should be {SCHEMA_VERSION}, and is {version or 'missing'}", "compile it again with kfp 2"
        )
    if not spec.get("pipelineInfo", {}).get("name"):
        raise spot.at("pipelineInfo").problem("needs a name")
    if "root" not in spec:
        raise spot.problem("has no root")
    below = spot.at("deploymentSpec")
    deployment = conform(spec.get("deploymentSpec", {}), messages.PipelineDeploymentConfig.DESCRIPTOR, below)
    spec["deploymentSpec"] = deployment
    try:
        json_format.ParseDict({**spec, "deploymentSpec": {}}, messages.PipelineSpec())
        json_format.ParseDict(deployment, messages.PipelineDeploymentConfig())
    except (json_format.ParseError, ValueError, OverflowError) as problem:
        # `conform` finds what people get wrong, with its line; this is protobuf's own last word.
        raise spot.problem(f"not a PipelineSpec: {str(problem).splitlines()[0]}") from problem
    return spec


def _with_embedded(spec: Mapping[str, Any], spot: Spot, parts: PlatformParts) -> PlatformParts:
    """The parts with what components carry in `singlePlatformSpecs`; the second document wins for the same label."""
    executors = dict(parts.executors)
    notes = list(parts.notes)
    config = parts.config
    for path, component in _all_components(spec):
        for index, single in enumerate(component.get("singlePlatformSpecs", [])):
            here = spot.at(*path, "singlePlatformSpecs", index)
            if single.get("platform", "kubernetes") != "kubernetes":
                continue
            embedded = parse_single_platform(single, here)
            executors = {**embedded.executors, **executors}
            notes.extend(embedded.notes)
            if config == NO_PIPELINE_CONFIG:
                config = embedded.config
    return PlatformParts(executors=executors, config=config, notes=tuple(notes))


def _all_components(spec: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Mapping[str, Any]]]:
    named = [(("components", name), component) for name, component in spec.get("components", {}).items()]
    return [*named, (("root",), spec["root"])]


def _build(spec: Mapping[str, Any], spot: Spot, parts: PlatformParts) -> dict[str, Component]:
    """All components by name; the root's name is empty."""
    executors = _executors(spec, spot, parts)
    known: dict[str, Interface] = {}
    for path, component in _all_components(spec):
        if path != ("root",):
            known[path[-1]] = build_interface(component.get("inputDefinitions", {}), spot.at(*path, "inputDefinitions"))
    built: dict[str, Component] = {}
    for path, component in _all_components(spec):
        here = spot.at(*path)
        name = "" if path == ("root",) else path[-1]
        dag = build_dag(component["dag"], known, here.at("dag")) if "dag" in component else None
        executor = None if dag is not None else _executor_of(component, executors, here)
        built[name] = Component(
            name=name,
            digest=_digest(component, executor, spec, parts),
            inputs=known[name]
            if name
            else build_interface(component.get("inputDefinitions", {}), here.at("inputDefinitions")),
            outputs=build_interface(component.get("outputDefinitions", {}), here.at("outputDefinitions")),
            dag=dag,
            executor=executor,
            config_passthroughs=tuple(
                ConfigPassthrough(kind=each.get("field", "NONE"), apply_to_task=each.get("applyToTask", False))
                for each in component.get("taskConfigPassthroughs", [])
            ),
        )
    return built


def _executors(spec: Mapping[str, Any], spot: Spot, parts: PlatformParts) -> dict[str, Executor]:
    below = spot.at("deploymentSpec", "executors")
    return {
        label: build_executor(label, executor, parts.executors.get(label, NO_EXECUTOR_PLATFORM), below.at(label))
        for label, executor in spec["deploymentSpec"].get("executors", {}).items()
    }


def _executor_of(component: Mapping[str, Any], executors: Mapping[str, Executor], spot: Spot) -> Executor:
    label = component.get("executorLabel", "")
    if not label:
        raise spot.problem("needs a dag or an executorLabel")
    if label not in executors:
        raise spot.at("executorLabel").problem(f"there is no executor {label!r}", nearest(label, executors))
    return executors[label]


def _digest(
    component: Mapping[str, Any], executor: Executor | None, spec: Mapping[str, Any], parts: PlatformParts
) -> str:
    """What the component does: its interface and its executor; for a DAG its text, as its parts have their own."""
    essence = {key: value for key, value in component.items() if key != "executorLabel"}
    if executor is not None:
        essence["executor"] = spec["deploymentSpec"]["executors"][executor.label]
        essence["platform"] = asdict(parts.executors.get(executor.label, NO_EXECUTOR_PLATFORM))
    return digest_json(essence)

"""Build the DAG of a component: its tasks with their inputs bound, and its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidemill.base.canonical import parse_json
from tidemill.pipelines.documents import Spot
from tidemill.pipelines.interfaces import read_value, runtime_value
from tidemill.pipelines.model import (
    ArtifactBinding,
    Constant,
    Dag,
    FinalStatus,
    FromInput,
    FromTask,
    Interface,
    Iterator,
    OutputSource,
    ParameterBinding,
    RetryPolicy,
    TaskSpec,
    TriggerStrategy,
)
from tidemill.pipelines.schema import nearest


def build_dag(spec: Mapping[str, Any], interfaces: Mapping[str, Interface], spot: Spot) -> Dag:
    """The DAG of a conformed DagSpec; `interfaces` are the inputs of all components, by name."""
    tasks = {
        name: _task(name, task, interfaces, spot.at("tasks", name)) for name, task in spec.get("tasks", {}).items()
    }
    if not tasks:
        raise spot.problem("has no tasks")
    outputs = spec.get("outputs", {})
    here = spot.at("outputs")
    return Dag(
        tasks=tasks,
        parameter_outputs={
            name: _parameter_output(output, here.at("parameters", name))
            for name, output in outputs.get("parameters", {}).items()
        },
        artifact_outputs={
            name: _candidates(output.get("artifactSelectors", []), "outputArtifactKey", here.at("artifacts", name))
            for name, output in outputs.get("artifacts", {}).items()
        },
    )


def _parameter_output(output: Mapping[str, Any], spot: Spot) -> OutputSource:
    if "valueFromParameter" in output:
        return _candidates([output["valueFromParameter"]], "outputParameterKey", spot)
    return _candidates(output.get("valueFromOneof", {}).get("parameterSelectors", []), "outputParameterKey", spot)


def _candidates(selectors: list[Mapping[str, Any]], key: str, spot: Spot) -> OutputSource:
    if not selectors:
        raise spot.problem("names no task that makes it")
    return OutputSource(
        candidates=tuple(
            FromTask(task=selector.get("producerSubtask", ""), output=selector.get(key, "")) for selector in selectors
        )
    )


def _task(name: str, spec: Mapping[str, Any], interfaces: Mapping[str, Interface], spot: Spot) -> TaskSpec:
    component = spec.get("componentRef", {}).get("name", "")
    if component not in interfaces:
        raise spot.at("componentRef", "name").problem(
            f"there is no component {component!r}", nearest(component, interfaces)
        )
    inputs = spec.get("inputs", {})
    here = spot.at("inputs")
    parameters = {
        key: _parameter(key, binding, interfaces[component], here.at("parameters", key))
        for key, binding in inputs.get("parameters", {}).items()
    }
    artifacts = {
        key: _artifact(binding, here.at("artifacts", key)) for key, binding in inputs.get("artifacts", {}).items()
    }
    policy = spec.get("triggerPolicy", {})
    strategy = policy.get("strategy", "TRIGGER_STRATEGY_UNSPECIFIED")
    caching = spec.get("cachingOptions", {})
    return TaskSpec(
        name=name,
        display_name=spec.get("taskInfo", {}).get("name", "") or name,
        component=component,
        parameters=parameters,
        artifacts=artifacts,
        depends_on=_upstream(spec.get("dependentTasks", []), parameters, artifacts),
        condition=policy.get("condition") or None,
        trigger_strategy=TriggerStrategy.ALL_UPSTREAM_TASKS_SUCCEEDED
        if strategy == "TRIGGER_STRATEGY_UNSPECIFIED"
        else TriggerStrategy(strategy),
        iterator=_iterator(spec, spot),
        caching=caching.get("enableCache", False),
        cache_key=caching.get("cacheKey") or None,
        retry=_retry(spec.get("retryPolicy", {})),
    )


def _upstream(
    stated: list[str], parameters: Mapping[str, ParameterBinding], artifacts: Mapping[str, ArtifactBinding]
) -> tuple[str, ...]:
    bound = [
        binding.task
        for binding in (*parameters.values(), *artifacts.values())
        if isinstance(binding, FromTask | FinalStatus)
    ]
    return tuple(dict.fromkeys([*stated, *bound]))


def _parameter(name: str, binding: Mapping[str, Any], interface: Interface, spot: Spot) -> ParameterBinding:
    selector = binding.get("parameterExpressionSelector", "")
    if "componentInputParameter" in binding:
        return FromInput(name=binding["componentInputParameter"], selector=selector)
    if "taskOutputParameter" in binding:
        source = binding["taskOutputParameter"]
        return FromTask(
            task=source.get("producerTask", ""), output=source.get("outputParameterKey", ""), selector=selector
        )
    if "taskFinalStatus" in binding:
        return FinalStatus(task=binding["taskFinalStatus"].get("producerTask", ""), selector=selector)
    runtime = binding.get("runtimeValue", {})
    if "runtimeParameter" in runtime:
        return FromInput(name=runtime["runtimeParameter"], selector=selector)
    if "constant" not in runtime and "constantValue" not in runtime:
        raise spot.problem("says not where the value comes from")
    value = runtime_value(runtime)
    spec = interface.parameters.get(name)
    if spec is not None and not selector and value is not None:
        value = read_value(value, spec, spot.at("runtimeValue"))
    return Constant(value=value, selector=selector)


def _artifact(binding: Mapping[str, Any], spot: Spot) -> ArtifactBinding:
    if "componentInputArtifact" in binding:
        return FromInput(name=binding["componentInputArtifact"])
    if "taskOutputArtifact" in binding:
        source = binding["taskOutputArtifact"]
        return FromTask(task=source.get("producerTask", ""), output=source.get("outputArtifactKey", ""))
    raise spot.problem("says not where the artifact comes from")


def _iterator(spec: Mapping[str, Any], spot: Spot) -> Iterator | None:
    limit = spec.get("iteratorPolicy", {}).get("parallelismLimit", 0)
    if limit < 0:
        raise spot.at("iteratorPolicy", "parallelismLimit").problem("should be 0 (no limit) or more")
    if "artifactIterator" in spec:
        iterator = spec["artifactIterator"]
        return Iterator(
            item_input=iterator.get("itemInput", ""),
            items_input=iterator.get("items", {}).get("inputArtifact", ""),
            of_artifacts=True,
            parallelism=limit or None,
        )
    if "parameterIterator" not in spec:
        return None
    iterator = spec["parameterIterator"]
    items = iterator.get("items", {})
    literal = None
    if "raw" in items:
        literal = _raw_items(items["raw"], spot.at("parameterIterator", "items", "raw"))
    return Iterator(
        item_input=iterator.get("itemInput", ""),
        items_input=None if literal is not None else items.get("inputParameter", ""),
        literal=literal,
        parallelism=limit or None,
    )


def _raw_items(raw: str, spot: Spot) -> tuple[Any, ...]:
    items = parse_json(raw, place=spot.place)
    if not isinstance(items, list):
        raise spot.problem("should be the JSON of a list")
    return tuple(items)


def _retry(policy: Mapping[str, Any]) -> RetryPolicy:
    default = RetryPolicy()
    return RetryPolicy(
        max_retries=max(policy.get("maxRetryCount", 0), 0),
        backoff_seconds=_seconds(policy.get("backoffDuration"), default.backoff_seconds),
        backoff_factor=policy.get("backoffFactor", 0.0) or default.backoff_factor,
        backoff_max_seconds=_seconds(policy.get("backoffMaxDuration"), default.backoff_max_seconds),
    )


def _seconds(duration: str | None, default: float) -> float:
    return default if duration is None else max(float(duration[:-1]), 0.0)

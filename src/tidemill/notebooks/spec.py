"""From the analysed notebook to a KFP v2 PipelineSpec (schema 2.1.0) and, where tags ask for it, a PlatformSpec."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Any

from tidemill.notebooks.analysis import Analysis, StepFlow
from tidemill.notebooks.kinds import ARTIFACT, artifact_types
from tidemill.notebooks.outline import task_name
from tidemill.notebooks.parameters import Parameter
from tidemill.notebooks.program import program_arguments, step_program
from tidemill.notebooks.random_state import random_chain
from tidemill.notebooks.wiring import Wiring, wire

RUNTIME_REQUIREMENT = "tidemill-runtime==0.1.0"
SDK_VERSION = "tidemill-0.1.0"
_MEMORY_GB = {"": 1e-9, "K": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3, "P": 1e6, "Ki": 1.024e-6, "Mi": 1.048576e-3,
              "Gi": 1.073741824, "Ti": 1099.511627776, "Pi": 1125899.906842624}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the steps run with: the pipeline's name, requirement lines, a Python version and packaged modules."""

    name: str
    requirements: tuple[str, ...]
    python: str
    modules: dict[str, str]


def make_spec(analysis: Analysis, target: Target) -> dict[str, Any]:
    """The PipelineSpec as JSON."""
    chain = random_chain(analysis)
    components: dict[str, Any] = {}
    executors: dict[str, Any] = {}
    tasks: dict[str, Any] = {}
    types = {name: artifact_types(flow.step) for name, flow in analysis.flows.items()}
    wirings = {name: wire(flow, chain) for name, flow in analysis.flows.items()}
    used: set[str] = set()
    for name, flow in analysis.flows.items():
        wiring = wirings[name]
        used |= flow.parameters
        task = flow.step.task
        components[f"comp-{task}"] = _component(analysis, flow, wiring, types)
        executors[f"exec-{task}"] = {"container": _container(analysis, flow, wiring, target)}
        tasks[task] = _task(analysis, flow, wirings, chain.get(name))
    root: dict[str, Any] = {"dag": {"tasks": tasks}}
    if analysis.parameters:
        root["inputDefinitions"] = {
            "parameters": {
                name: _definition(parameter, default=True) for name, parameter in analysis.parameters.items()
            }
        }
    for name in sorted(set(analysis.parameters) - used):
        spot = analysis.parameters[name].spot
        analysis.outline.note(f"no step uses the parameter `{name}`", spot.cell, spot.line)
    return {
        "components": components,
        "deploymentSpec": {"executors": executors},
        "pipelineInfo": {"name": target.name},
        "root": root,
        "schemaVersion": "2.1.0",
        "sdkVersion": SDK_VERSION,
    }


def _definition(parameter: Parameter, *, default: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"parameterType": parameter.kfp_type}
    if default or parameter.default is None:
        made["isOptional"] = True
    if default and parameter.default is not None:
        number = parameter.kfp_type in ("NUMBER_INTEGER", "NUMBER_DOUBLE")
        made["defaultValue"] = float(parameter.default) if number and _exact(parameter.default) else parameter.default
    return made


def _exact(number: float) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


def _artifact(schema: str) -> dict[str, Any]:
    return {"artifactType": {"schemaTitle": schema, "schemaVersion": "0.0.1"}}


def _component(analysis: Analysis, flow: StepFlow, wiring: Wiring, types: dict[str, dict[str, str]]) -> dict[str, Any]:
    made: dict[str, Any] = {"executorLabel": f"exec-{flow.step.task}"}
    taken = {
        wiring.artifacts[name]: _artifact(types[producer].get(name, ARTIFACT)) for name, producer in flow.inputs.items()
    }
    given = {name: _artifact(types[flow.step.name].get(name, ARTIFACT)) for name in flow.outputs}
    if wiring.random_input:
        taken[wiring.random_input] = _artifact(ARTIFACT)
    for name, schema in (
        (wiring.report, "system.HTML"), (wiring.metrics, "system.Metrics"), (wiring.random_output, ARTIFACT)
    ):  # fmt: skip
        if name:
            given[name] = _artifact(schema)
    inputs: dict[str, Any] = {}
    if taken:
        inputs["artifacts"] = taken
    if flow.parameters:
        inputs["parameters"] = {
            wiring.parameters[name]: _definition(analysis.parameters[name], default=False) for name in flow.parameters
        }
    if inputs:
        made["inputDefinitions"] = inputs
    if given:
        made["outputDefinitions"] = {"artifacts": given}
    return made


def _container(analysis: Analysis, flow: StepFlow, wiring: Wiring, target: Target) -> dict[str, Any]:
    program = step_program(analysis, flow, wiring, target.modules)
    packages = " ".join(_quoted(line) for line in (RUNTIME_REQUIREMENT, *target.requirements))
    made: dict[str, Any] = {
        "image": flow.step.tags.options.get("image", f"python:{target.python}"),
        "command": [
            "sh", "-c", f'python3 -m pip install --quiet {packages} && exec "$0" "$@"',
            "python3", "-m", "tidemill_runtime.step",
        ],
        "args": ["--executor_input", "{{$}}", *program_arguments(program)],
    }  # fmt: skip
    resources = _resources(flow)
    if resources:
        made["resources"] = resources
    return made


def _quoted(text: str) -> str:
    return f"'{text}'" if "'" not in text else shlex.quote(text)


def _resources(flow: StepFlow) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for resource, amount in sorted(flow.step.tags.limits.items()):
        if resource == "cpu":
            made["cpuLimit"] = float(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)
            made["resourceCpuLimit"] = amount
        elif resource == "memory":
            number, unit = re.fullmatch(r"([0-9.]+)(.*)", amount).groups()  # type: ignore[union-attr]  # the tag was checked
            made["memoryLimit"] = float(number) * _MEMORY_GB.get(unit, 1e-9)
            made["resourceMemoryLimit"] = amount
        else:
            made["accelerator"] = {
                "type": resource, "resourceType": resource, "count": str(int(float(amount))),
                "resourceCount": str(int(float(amount))),
            }  # fmt: skip
    return made


def _task(analysis: Analysis, flow: StepFlow, wirings: dict[str, Wiring], drew_before: str | None) -> dict[str, Any]:
    wiring = wirings[flow.step.name]
    task = {other.name: other.task for other in analysis.outline.steps}
    options = flow.step.tags.options
    inputs: dict[str, Any] = {}
    artifacts = {wiring.artifacts[name]: _from_task(task[producer], name) for name, producer in flow.inputs.items()}
    given = wirings[drew_before].random_output if drew_before else None
    if wiring.random_input and drew_before and given:
        artifacts[wiring.random_input] = _from_task(task[drew_before], given)
    if artifacts:
        inputs["artifacts"] = artifacts
    if flow.parameters:
        inputs["parameters"] = {wiring.parameters[name]: {"componentInputParameter": name} for name in flow.parameters}
    made: dict[str, Any] = {
        "cachingOptions": {"enableCache": True} if options.get("cache", True) else {},
        "componentRef": {"name": f"comp-{flow.step.task}"},
        "taskInfo": {"name": flow.step.name},
    }
    before = analysis.graph.before[flow.step.name]
    if before:
        made["dependentTasks"] = sorted(task[name] for name in before)
    if inputs:
        made["inputs"] = inputs
    if options.get("retry"):
        made["retryPolicy"] = {
            "maxRetryCount": options["retry"], "backoffDuration": "0s", "backoffFactor": 2.0,
            "backoffMaxDuration": "3600s",
        }  # fmt: skip
    return made


def _from_task(task: str, output: str) -> dict[str, Any]:
    return {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": output}}


def make_platform(analysis: Analysis) -> dict[str, Any] | None:
    """The kubernetes PlatformSpec for labels, annotations, secrets and timeouts; None when no tag asks for one."""
    executors: dict[str, Any] = {}
    for flow in analysis.flows.values():
        tags = flow.step.tags
        made: dict[str, Any] = {}
        pod = {key: dict(value) for key, value in (("annotations", tags.annotations), ("labels", tags.labels)) if value}
        if pod:
            made["podMetadata"] = pod
        if tags.secrets:
            made["secretAsEnv"] = [
                {"secretName": name, "keyToEnv": [{"secretKey": key, "envVar": variable}]}
                for name, key, variable in tags.secrets
            ]
        if "timeout_seconds" in tags.options:
            made["activeDeadlineSeconds"] = str(tags.options["timeout_seconds"])
        if made:
            executors[f"exec-{task_name(flow.step.name)}"] = made
    if not executors:
        return None
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}

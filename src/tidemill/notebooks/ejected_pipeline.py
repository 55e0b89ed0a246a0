"""The pipeline function of an ejected module: parameters, importers of data files, and the calls of the steps."""

from __future__ import annotations

from typing import Any

from tidemill.notebooks.ejected_names import Names
from tidemill.notebooks.ejected_steps import PYTHON_TYPES, EjectedStep
from tidemill.notebooks.model import CompiledNotebook
from tidemill.notebooks.python_text import literal


def pipeline_text(compiled: CompiledNotebook, steps: list[EjectedStep], names: Names) -> str:
    """The function, with a comment on each data file."""
    tasks = compiled.spec["root"]["dag"]["tasks"]
    parameters = compiled.spec["root"].get("inputDefinitions", {}).get("parameters", {})
    required = [name for name, spec in parameters.items() if "isOptional" not in spec]
    optional = [name for name in parameters if name not in required]
    arguments = [f"    {name}: {PYTHON_TYPES[parameters[name]['parameterType']]},\n" for name in required]
    arguments += [f"    {name}: {_default(parameters[name])},\n" for name in optional]
    head = f"(\n{''.join(arguments)})" if arguments else "()"
    order = _order(tasks)
    own = {step.task for step in steps}
    blocks = [_importer(task, tasks[task], names) for task in order if task not in own]
    blocks += [_call(task, compiled, names) for task in order if task in own]
    return f"@{names.dsl}.pipeline(name={literal(compiled.name)})\ndef pipeline{head}:\n" + "\n".join(blocks)


def _default(spec: dict[str, Any]) -> str:
    kind = PYTHON_TYPES[spec["parameterType"]]
    if "defaultValue" not in spec:
        return f"Optional[{kind}] = None"
    value = spec["defaultValue"]
    return f"{kind} = {literal(int(value) if kind == 'int' else value, 4)}"


def _order(tasks: dict[str, Any]) -> list[str]:
    """So that each stands after those that it waits for."""
    done: list[str] = []
    waiting = list(tasks)
    while waiting:
        ready = next(task for task in waiting if set(tasks[task].get("dependentTasks", ())) <= set(done))
        waiting.remove(ready)
        done.append(ready)
    return done


def _importer(task: str, spec: dict[str, Any], names: Names) -> str:
    uri = spec["inputs"]["parameters"]["uri"]["componentInputParameter"]
    call = names.calls[task]
    return (
        f"    # The URI of {literal(spec['taskInfo']['name'])}, beside the notebook.\n"
        f"    {call} = {names.dsl}.importer(artifact_uri={uri}, artifact_class={names.dsl}.Dataset)\n"
        f"    {call}.set_caching_options(False)\n"
        f"    {call}.set_display_name({literal(spec['taskInfo']['name'])})\n"
    )


def _call(task: str, compiled: CompiledNotebook, names: Names) -> str:
    spec = compiled.spec["root"]["dag"]["tasks"][task]
    call = names.calls[task]
    inputs = spec.get("inputs", {})
    given = [
        f"        {port}={names.calls[binding['taskOutputArtifact']['producerTask']]}.outputs"
        f"[{literal(binding['taskOutputArtifact']['outputArtifactKey'])}],\n"
        for port, binding in sorted(inputs.get("artifacts", {}).items())
    ]
    given += [
        f"        {port}={binding['componentInputParameter']},\n"
        for port, binding in sorted(inputs.get("parameters", {}).items())
    ]
    arguments = f"(\n{''.join(given)}    )" if given else "()"
    lines = [f"    {call} = {names.functions[task]}{arguments}\n"]
    lines += [f"    {call}{method}\n" for method in _options(task, spec, compiled, names)]
    lines += [f"    {names.kubernetes}.{line}\n" for line in _platform(task, compiled, call)]
    return "".join(lines)


def _options(task: str, spec: dict[str, Any], compiled: CompiledNotebook, names: Names) -> list[str]:
    """The methods that set what is not in the component."""
    made: list[str] = []
    if spec["taskInfo"]["name"] != task:
        made.append(f".set_display_name({literal(spec['taskInfo']['name'])})")
    producers = {
        binding["taskOutputArtifact"]["producerTask"]
        for binding in spec.get("inputs", {}).get("artifacts", {}).values()
    }
    after = [names.calls[other] for other in spec.get("dependentTasks", ()) if other not in producers]
    if after:
        made.append(f".after({', '.join(after)})")
    if not spec["cachingOptions"].get("enableCache"):
        made.append(".set_caching_options(False)")
    retry = spec.get("retryPolicy")
    if retry:
        made.append(
            f".set_retry(num_retries={retry['maxRetryCount']}, backoff_duration={literal(retry['backoffDuration'])}, "
            f"backoff_factor={retry['backoffFactor']}, backoff_max_duration={literal(retry['backoffMaxDuration'])})"
        )
    component = compiled.spec["components"][spec["componentRef"]["name"]]
    container = compiled.spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]
    return made + _resources(container.get("resources", {}))


def _resources(resources: dict[str, Any]) -> list[str]:
    made: list[str] = []
    if "resourceCpuLimit" in resources:
        made.append(f".set_cpu_limit({literal(resources['resourceCpuLimit'])})")
    if "resourceMemoryLimit" in resources:
        made.append(f".set_memory_limit({literal(resources['resourceMemoryLimit'])})")
    accelerator = resources.get("accelerator")
    if accelerator:
        made.append(f".set_accelerator_type({literal(accelerator['resourceType'])})")
        made.append(f".set_accelerator_limit({literal(accelerator['resourceCount'])})")
    return made


def _platform(task: str, compiled: CompiledNotebook, call: str) -> list[str]:
    """Calls of `kfp.kubernetes` for labels, annotations, secrets and the timeout."""
    if compiled.platform is None:
        return []
    executors = compiled.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    wanted = executors.get(compiled.spec["components"][f"comp-{task}"]["executorLabel"], {})
    pod = wanted.get("podMetadata", {})
    made = [f"add_pod_label({call}, {literal(k)}, {literal(v)})" for k, v in sorted(pod.get("labels", {}).items())]
    made += [
        f"add_pod_annotation({call}, {literal(k)}, {literal(v)})" for k, v in sorted(pod.get("annotations", {}).items())
    ]
    for secret in wanted.get("secretAsEnv", ()):
        variables = {pair["secretKey"]: pair["envVar"] for pair in secret["keyToEnv"]}
        made.append(f"use_secret_as_env({call}, {literal(secret['secretName'])}, {literal(variables)})")
    if "activeDeadlineSeconds" in wanted:
        made.append(f"set_timeout({call}, {wanted['activeDeadlineSeconds']})")
    return made

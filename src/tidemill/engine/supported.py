"""What this engine does not run yet is refused when a run is submitted, never run wrong."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.base.errors import InvalidInput
from tidemill.pipelines import Component, Pipeline
from tidemill.pipelines.model import ContainerExecutor, CustomJobExecutor, ImporterExecutor, ResolverExecutor

_REMEDY = "run this pipeline on a Kubeflow cluster, or take the part out"


def check_supported(pipeline: Pipeline) -> None:
    """Raise `InvalidInput` naming the component and the construct that cannot be run here."""
    if pipeline.config.workspace is not None:
        raise InvalidInput("a pipeline workspace is not supported yet", place=pipeline.name, remedy=_REMEDY)
    for component in (pipeline.root, *pipeline.components.values()):
        for what in _unsupported(pipeline, component):
            place = f"{pipeline.name}: component {component.name}"
            raise InvalidInput(f"{what} is not supported by the embedded engine yet", place=place, remedy=_REMEDY)


def _unsupported(pipeline: Pipeline, component: Component) -> Iterator[str]:
    if component.config_passthroughs:
        yield "a task configuration passed through (TaskConfig)"
    for task in component.dag.tasks.values() if component.dag is not None else ():
        if task.retry.max_retries and pipeline.components[task.component].dag is not None:
            yield f"retrying a nested pipeline or a loop as a whole (task {task.name})"
    executor = component.executor
    if isinstance(executor, ResolverExecutor):
        yield "a resolver executor"
    elif isinstance(executor, CustomJobExecutor):
        yield "a custom job"
    elif isinstance(executor, ImporterExecutor):
        if executor.download_to_workspace:
            yield "an importer that downloads to the workspace"
    elif isinstance(executor, ContainerExecutor):
        yield from _unsupported_in_container(executor)


def _unsupported_in_container(executor: ContainerExecutor) -> Iterator[str]:
    platform = executor.platform
    if executor.cache_check is not None:
        yield "a command before the cache check"
    if not executor.command and not executor.args:
        yield f"the entry point of the image {executor.image} (no container is used here)"
    environments = {
        "a secret as environment variables": platform.secret_env,
        "a config map as environment variables": platform.config_env,
    }
    folders = {"a secret as files": platform.secret_folders, "a config map as files": platform.config_folders}
    for what, named in environments.items():
        if any(not each.optional for each in named):
            yield what
    for what, mounted in folders.items():
        if any(not each.optional for each in mounted):
            yield what
    if platform.claims:
        yield "a persistent volume claim"
    if platform.empty_folders:
        yield "an empty folder mounted at a fixed path"

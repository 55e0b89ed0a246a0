"""Which files beside the source a pipeline imports."""

from __future__ import annotations

from collections.abc import Iterator

from tidemill.pipelines.model import FromInput, ImporterExecutor, Pipeline


def local_imports(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """The root parameters that want the URI of a file beside the notebook, each with the file's relative path."""
    dag = pipeline.root.dag
    for task in dag.tasks.values() if dag is not None else ():
        executor = pipeline.components[task.component].executor
        if not isinstance(executor, ImporterExecutor) or executor.uri_input is None:
            continue
        bound = task.parameters.get(executor.uri_input)
        if isinstance(bound, FromInput) and pipeline.root.inputs.parameters[bound.name].required:
            yield bound.name, task.display_name

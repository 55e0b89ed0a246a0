"""The verb: a notebook file becomes a pipeline spec."""

from __future__ import annotations

from pathlib import Path

from tidemill.notebooks.model import CompiledNotebook


def compile_notebook(
    path: Path,
    *,
    requirements: tuple[str, ...] | None = None,
    python: str | None = None,
    keep: tuple[str, ...] = (),
) -> CompiledNotebook:
    """Compile an `.ipynb`, or a `.py` in percent format, to a PipelineSpec; the same file gives the same bytes.

    `requirements` are the lines its steps are installed with; without them those of the notebook's metadata
    (`{"tidemill": {"requirements": [...]}}`), else its imports pinned as installed here. `python` is like `3.11`.
    `keep` names outputs, `train.model`, that a step hands out even when no later step takes them. Raises `InvalidInput`
    with cell and line for what cannot be analysed.
    """
    raise NotImplementedError

"""The nouns of a notebook: cells, steps, remarks and what a compile gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One code cell. `number` counts code cells from 1, as `In [n]` does after Restart & Run All.

    `source` are the cell's own characters; `tags` stand as in the file.
    """

    number: int
    source: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """The code cells of one file; `file_name` is the name without folder, `metadata` the notebook's own."""

    file_name: str
    cells: tuple[Cell, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def place(self, cell: int, line: int | None = None) -> str:
        """How messages name a place: `pipeline.ipynb, cell 4, line 2`."""
        where = f"{self.file_name}, cell {cell}"
        return where if line is None else f"{where}, line {line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A warning or a note of a compile, with the place that it is about.

    `cells` are the first and the last of those that would have to stand in one step to settle it. `is_advice` marks
    what is as true the next time, so that a run need not repeat it.
    """

    message: str
    place: str
    cells: tuple[int, ...] = ()
    is_advice: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledNotebook:
    """What a notebook compiles to.

    `spec` is the PipelineSpec as JSON, `platform` its PlatformSpec where the notebook needs one (labels, secrets,
    timeouts), `yaml` both as bytes-stable text. `source_map` gives each task's cells, `requirements` and `python` what
    its steps run with, `files` the data files beside the notebook that each task names in its code,
    `before_every_step` the cells of imports and functions.
    """

    name: str
    spec: dict[str, Any]
    platform: dict[str, Any] | None
    yaml: str
    requirements: tuple[str, ...]
    python: str
    source_map: dict[str, tuple[int, ...]]
    files: dict[str, tuple[str, ...]]
    before_every_step: tuple[int, ...]
    warnings: tuple[Remark, ...]
    notes: tuple[Remark, ...]

"""The nouns of a project: what its `tidemill.toml` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset of the project, versioned by DVC; `path` is relative to the project's folder.

    `remote` is where DVC pushes it (a folder, or an address), "" for the project's default.
    """

    name: str
    path: str
    remote: str = ""
    attribution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningPlan:
    """A search over parameters of the pipeline; `space` is in the form that `tidemill.tuning` reads."""

    objective: str
    direction: str
    space: Mapping[str, Mapping[str, Any]]
    trials: int = 20
    parallel: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What is known of a column of the model: the unit of its values, and what it means."""

    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """Which outputs of a run become a model version, each as `task.output`.

    `sample` is a table of feature rows, `profile` the table for the reference profile ("" for the sample), `target` the
    true values of the sample's rows ("" where nothing says them).
    `prediction` tells of the model's answer.
    """

    name: str
    output: str
    sample: str
    profile: str = ""
    target: str = ""
    columns: Mapping[str, Column] = field(default_factory=dict)
    prediction: Column = field(default_factory=Column)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormField:
    """How the service's page asks for one column; `unit` is what a person types."""

    column: str
    label: str = ""
    unit: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """The service that answers with the model: who may call it, its page, and how a new version comes."""

    name: str
    environment: str = "production"
    access: str = "token"
    timeout_seconds: float = 30.0
    title: str = ""
    form: tuple[FormField, ...] = ()
    output_label: str = ""
    output_unit: str = ""
    rollout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """What differs in one environment: fields of the gate's policy and of the rollout, and who may call a service.

    An `access` of "" is no change.
    """

    name: str
    gate: Mapping[str, Any] = field(default_factory=dict)
    access: str = ""
    rollout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPlan:
    """What fires a production run, and what follows it; `settings` are the keys that its kind takes."""

    name: str
    kind: str
    environment: str = ""
    then: str = "review"
    concurrency: str = "forbid"
    cooldown_seconds: int = 0
    catch_up: str = "last"
    catch_up_limit: int = 10
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A checked project file.

    `path` is the file. Either `notebook` or `pipeline` names the code, relative to the file's folder. `gate` is the
    policy in the form that `tidemill.gate` reads, `monitor` the rules in that of `tidemill.monitoring`, None for the
    usual ones, `notify` who is told in the form of `tidemill.notify`. `declared` are the tables as the file has them,
    without `[settings]`, which are the folder's own; `lines` tells in which line each declared field stands.
    """

    path: Path
    name: str
    notebook: str = ""
    pipeline: str = ""
    requirements: tuple[str, ...] = ()
    python: str = ""
    experiment: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Dataset] = field(default_factory=dict)
    tuning: TuningPlan | None = None
    model: ModelPlan | None = None
    gate: Mapping[str, Any] = field(default_factory=dict)
    service: ServicePlan | None = None
    monitor: Mapping[str, Any] | None = None
    notify: Mapping[str, Any] | None = None
    environments: Mapping[str, EnvironmentPlan] = field(default_factory=dict)
    triggers: Mapping[str, TriggerPlan] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the file lies, and relative paths start."""
        return self.path.parent

    @property
    def source(self) -> Path:
        """The notebook or the pipeline."""
        return self.folder / (self.notebook or self.pipeline)


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One apply that changed what a project declares, numbered from 1: who did it, when, and from which file.

    `file` is where the file lay (`host:path`), `commit` the one that brought it as it was; "" and None where nobody
    said, or where it was not committed so.
    """

    namespace_id: str
    project: str
    number: int
    digest: str
    file: str
    commit: str | None
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedProject:
    """What a generation declared: the tables of the file, checked."""

    generation: Generation
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """A file that asks to be planned or applied: its tables, and where it comes from.

    `base` is the number of the generation that the file comes from, 0 for none of them.
    """

    document: Mapping[str, Any]
    base: int = 0
    file: str = ""
    commit: str | None = None

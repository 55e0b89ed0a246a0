"""The program of a step: the cells to run and the names that go in and out, as the compiler wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class CellCode:
    """Code of a cell; `source` is what its author wrote, `capture` the variable of `%%capture` ("" for none)."""

    cell: int
    code: str
    source: str
    capture: Optional[str] = None


@dataclass(frozen=True)
class Output:
    """A variable to hand out; `known` are globals of its functions that consumers get by other ways."""

    name: str
    known: Tuple[str, ...]


@dataclass(frozen=True)
class StepProgram:
    """One step of a notebook; the last four are names of artifacts, None when the step has none of the kind.

    `inputs` has, by variable, the step that made it. `ports` names the inputs of the component, by variable, that are
    not called as their variable is. Of the variables that later steps take, each written `name@step`: `later` are those
    that were made before this step, `watched` the names of inputs among them, `kept` the names of what the prelude
    makes anew for them; `changes` says of those in `later` which later step changes them, and which outputs of this
    step (`stale`) it does not know.
    """

    notebook: str
    step: str
    parameters: Mapping[str, str]
    prelude: Tuple[CellCode, ...]
    imports: Tuple[CellCode, ...]
    settings: Tuple[CellCode, ...]
    cells: Tuple[CellCode, ...]
    inputs: Mapping[str, str]
    outputs: Tuple[Output, ...]
    metrics: Tuple[str, ...]
    watched: Tuple[str, ...]
    later: Tuple[str, ...]
    kept: Tuple[str, ...]
    changes: Mapping[str, Mapping[str, Any]]
    modules: Mapping[str, str]
    ports: Mapping[str, Mapping[str, str]]
    report: Optional[str]
    metrics_artifact: Optional[str]
    random_input: Optional[str]
    random_output: Optional[str]

    def artifact_port(self, variable: str) -> str:
        """The input artifact that brings a variable."""
        return self.ports.get("artifacts", {}).get(variable, variable)

    def parameter_port(self, variable: str) -> str:
        """The input parameter that brings a variable."""
        return self.ports.get("parameters", {}).get(variable, variable)


def read_program(data: Dict[str, Any]) -> StepProgram:
    """Parse a program; ValueError when a newer compiler wrote it."""
    if data.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(
            f"this step's program has version {data.get('schema_version')!r}; this runtime reads {SCHEMA_VERSION}"
        )
    artifacts = data.get("artifacts", {})
    return StepProgram(
        notebook=data["notebook"],
        step=data["step"],
        parameters=data["parameters"],
        prelude=_cells(data["prelude"]),
        imports=_cells(data["imports"]),
        settings=_cells(data["settings"]),
        cells=_cells(data["cells"]),
        inputs=data["inputs"],
        outputs=tuple(Output(item["name"], tuple(item.get("known", ()))) for item in data["outputs"]),
        metrics=tuple(data["metrics"]),
        watched=tuple(data.get("watched", ())),
        later=tuple(data.get("later", ())),
        kept=tuple(data.get("kept", ())),
        changes=data.get("changes", {}),
        modules=data.get("modules", {}),
        ports=data.get("ports", {}),
        report=artifacts.get("report"),
        metrics_artifact=artifacts.get("metrics"),
        random_input=artifacts.get("random_input"),
        random_output=artifacts.get("random_output"),
    )


def _cells(items: List[Dict[str, Any]]) -> Tuple[CellCode, ...]:
    return tuple(
        CellCode(item["cell"], item["code"], item.get("source", item["code"]), item.get("capture")) for item in items
    )

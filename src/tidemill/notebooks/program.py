"""The program of a step: what the step runtime gets to run, as JSON (see `tidemill_runtime.step`)."""

from __future__ import annotations

import json
import re
from typing import Any

from tidemill.notebooks.analysis import Analysis, StepFlow
from tidemill.notebooks.facts import Facts
from tidemill.notebooks.flow import FlowRecorder
from tidemill.notebooks.later import watched_for_later
from tidemill.notebooks.magics import PreparedCell
from tidemill.notebooks.metrics import metric_names
from tidemill.notebooks.wiring import Wiring

SCHEMA_VERSION = 1
MAX_ARGUMENT_BYTES = 96 * 1024
"""Linux takes at most 128 KiB in one argument of a command line."""


def step_program(analysis: Analysis, flow: StepFlow, wiring: Wiring, modules: dict[str, str]) -> dict[str, Any]:
    """The program of one step."""
    prelude = analysis.outline.prelude
    program: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "notebook": analysis.outline.notebook.file_name,
        "step": flow.step.name,
        "parameters": {name: analysis.parameters[name].python_type for name in sorted(flow.parameters)},
        "prelude": [_cell(prepared) for prepared in prelude],
        "imports": [{"cell": b.spot.cell, "code": b.source} for b in sorted(flow.imports, key=lambda b: b.spot)],
        "settings": [{"cell": s.spot.cell, "code": s.source} for s in flow.settings],
        "cells": [_cell(prepared) for prepared in flow.step.cells],
        "inputs": dict(sorted(flow.inputs.items())),
        "outputs": [_output(analysis, flow, name) for name in sorted(flow.outputs)],
        "metrics": metric_names(flow.step, flow.recorder.path.facts, analysis) if wiring.metrics else [],
        **watched_for_later(analysis, flow),
        "artifacts": {
            "report": wiring.report,
            "metrics": wiring.metrics,
            "random_input": wiring.random_input,
            "random_output": wiring.random_output,
        },
    }
    if modules:
        program["modules"] = modules
    ports = {"artifacts": _renamed(wiring.artifacts), "parameters": _renamed(wiring.parameters)}
    if any(ports.values()):
        program["ports"] = {kind: renamed for kind, renamed in ports.items() if renamed}
    return program


def _renamed(ports: dict[str, str]) -> dict[str, str]:
    return {variable: port for variable, port in ports.items() if port != variable}


def _cell(prepared: PreparedCell) -> dict[str, Any]:
    made: dict[str, Any] = {"cell": prepared.cell.number, "code": prepared.code}
    if prepared.cell.source != prepared.code:
        made["source"] = prepared.cell.source
    if prepared.capture is not None:
        made["capture"] = prepared.capture
    return made


def _output(analysis: Analysis, flow: StepFlow, name: str) -> dict[str, Any]:
    """`known` are globals that the analysis gives to whoever takes the output, so that its artifact need not."""
    facts = flow.recorder.path.facts.get(name)
    known = sorted(_reached(facts, flow.recorder)) if facts is not None and not facts.is_value else []
    return {"name": name, "known": known} if known else {"name": name}


def _reached(facts: Facts, recorder: FlowRecorder) -> set[str]:
    found: set[str] = set()
    waiting = [facts]
    while waiting:
        for name in waiting.pop().late:
            if name not in found:
                found.add(name)
                inner = recorder.facts_of(name)
                if inner is not None and not inner.is_value:
                    waiting.append(inner)
    return found


def program_arguments(program: dict[str, Any]) -> list[str]:
    """`--program` arguments; nothing in them means anything to KFP's placeholders, Kubernetes or Argo.

    `{{...}}` is a placeholder to KFP and Argo, `$(...)` one to Kubernetes; a long program is cut into several
    arguments.
    """
    arguments: list[str] = []
    for part in _parts(escaped_json(program)):
        arguments += ["--program", part]
    return arguments


def escaped_json(value: object) -> str:
    """JSON in which nothing means anything to KFP's placeholders, Kubernetes or Argo."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    text = text.replace("$", "\\u0024")
    text = text.replace("{{", "{\\u007b")
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _parts(text: str) -> list[str]:
    if len(text.encode()) <= MAX_ARGUMENT_BYTES:
        return [text]
    size = MAX_ARGUMENT_BYTES // 4  # a character has up to four bytes
    return [text[start : start + size] for start in range(0, len(text), size)]

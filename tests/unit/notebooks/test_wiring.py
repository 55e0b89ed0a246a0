"""Ports: every input and output of a step has a name of its own on the wire."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.notebooks.stepwise import StepwiseRun
from tests.unit.notebooks.notebook_text import compiled, inputs, parameters, program

from tidemill.notebooks import CompiledNotebook, steps_of


def ports(made: CompiledNotebook, task: str) -> dict[str, list[str]]:
    """The names of a component's inputs and outputs, by side and kind."""
    component: dict[str, Any] = made.spec["components"][f"comp-{task}"]
    return {
        f"{side} {kind}": sorted(found)
        for side in ("input", "output")
        for kind, found in component.get(f"{side}Definitions", {}).items()
    }


def test_what_goes_in_and_out_has_two_names_and_one_variable(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import random\nrandom.seed(1)"),
        ("pipeline-parameters", "n = 1"),
        ("step:a", "xs = [random.random()]\nxs_in = 0"),
        ("step:b prev:a", "xs.append(random.random())\nn = n + 1\nprint(xs_in)"),
        ("step:c prev:b", "print(len(xs), n, random.random() < 1)"),
    )
    assert ports(made, "b") == {
        "input artifacts": ["random_state_in", "xs_in", "xs_in_in"],
        "input parameters": ["n_in"],
        "output artifacts": ["n", "random_state", "report", "xs"],
    }
    assert program(made, "b")["ports"] == {"artifacts": {"xs": "xs_in_in"}, "parameters": {"n": "n_in"}}
    assert "ports" not in program(made, "c")
    assert inputs(made, "b") == {"random_state": "a", "xs": "a", "xs_in": "a"}
    assert parameters(made, "b") == ["n"]
    (step,) = [step for step in steps_of(made) if step.name == "b"]
    assert step.takes == {"random_state": "a", "xs": "a", "xs_in": "a"}
    assert step.parameters == ("n",)
    run = StepwiseRun(made, tmp_path, {"n": 5})
    assert run.printed.splitlines() == ["0", "2 6 True"]


def test_a_parameter_that_the_prelude_reads_and_a_step_changed_comes_twice(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("pipeline-parameters", "n = 1\nm = n + len('a')"),
        ("step:a", "n = n + 1"),
        ("step:b prev:a", "print(n, m)"),
    )
    found = ports(made, "b")
    assert not {*found["input artifacts"]} & {*found["input parameters"]}
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["2 2"]


def test_names_of_ports_differ_in_every_step_of_a_larger_notebook(tmp_path: Path) -> None:
    cells = [("step:s0", "report = metrics = random_state = 1\nx = []")]
    cells += [(f"step:s{n} prev:s{n - 1}", "x.append(report)\nreport += 1\nmetrics = metrics + 1") for n in range(1, 4)]
    made = compiled(
        tmp_path, *cells, ("step:end prev:s3", "print(json.dumps([x, metrics]))"), ("imports", "import json")
    )
    for task in made.source_map:
        names = [name for found in ports(made, task).values() for name in found]
        assert len(names) == len(set(names)), task
    assert json.loads(StepwiseRun(made, tmp_path).printed) == [[1, 2, 3], 4]

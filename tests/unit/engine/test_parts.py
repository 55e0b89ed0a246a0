"""The parts of the engine that need no run: states, preloads, logs, metrics files, parameters in files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import Conflict, InvalidInput
from tidemill.engine.collect import parse_parameter
from tidemill.engine.failures import log_tail
from tidemill.engine.live import LogCap, MetricsTail
from tidemill.engine.model import FINAL_STATES, TRANSITIONS, State, check_transition
from tidemill.engine.preload import imports_in, imports_of
from tidemill.engine.step import StepFolder, log_name, read_json_file
from tidemill.pipelines.model import ParameterType


def test_every_pair_of_states_is_allowed_or_raises() -> None:
    for old, new in itertools.product(State, State):
        if new in TRANSITIONS[old]:
            check_transition(old, new, place="run")
        else:
            with pytest.raises(Conflict, match="cannot become"):
                check_transition(old, new, place="run")
    assert set(TRANSITIONS) == set(State)
    assert TRANSITIONS[State.SUCCEEDED] == frozenset()
    assert all(TRANSITIONS[state] <= {State.PENDING} for state in FINAL_STATES)


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        (
            "import pandas as pd, numpy\nfrom sklearn.linear_model import (\n Ridge)",
            ("numpy", "pandas", "sklearn.linear_model"),
        ),
        ("def f():\n    import json\n    from os.path import join", ("json", "os.path")),
        ("%matplotlib inline\n!pip install x\nimport matplotlib.pyplot as plt", ("matplotlib.pyplot",)),
        ("from . import x\nfrom .y import z\nimportant = 1\nfrom __future__ import annotations", ()),
        ("import torch\nimport polars as pl\nfrom grpc.aio import x\nimport tensorflow.keras", ()),
    ],
)
def test_imports_are_read_from_a_source_but_for_those_that_do_not_survive_a_fork(
    source: str, modules: tuple[str, ...]
) -> None:
    assert imports_of(source) == modules


def test_imports_are_read_from_all_texts_of_a_program() -> None:
    assert imports_in({"cells": [{"code": "import a"}, {"code": "x = 1\nimport b"}]}) == ("a", "b")


def test_a_log_above_its_cap_keeps_its_beginning_and_its_newest_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    cap = LogCap(log, 10_000)
    assert not cap.trim()
    log.write_text("first\n")
    assert not cap.trim()
    with log.open("a") as writer:
        for number in range(20_000):
            writer.write(f"line {number}\n")
            if number % 500 == 0:
                writer.flush()
                cap.trim()
                assert log.stat().st_size <= 10_000
    assert cap.trim()
    text = log.read_text()
    assert text.startswith("first\nline 0\n")
    assert text.endswith("line 19999\n")
    assert text.count("bytes were cut here") == 1


def test_metrics_are_read_as_they_grow_and_half_lines_wait(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = MetricsTail(path)
    assert tail.read() == []
    with path.open("w") as writer:
        writer.write('{"name": "a", "value": 1}\n{"name": "b", "va')
        writer.flush()
        assert [point.name for point in tail.read()] == ["a"]
        writer.write('lue": 2, "step": 7}\n[]\n{"name": "c", "value": "many"}\n\n')
        writer.flush()
        assert [(point.name, point.value, point.step) for point in tail.read()] == [("b", 2.0, 7)]
    assert tail.ignored == 2


@pytest.mark.parametrize(
    ("data", "kind", "value"),
    [
        (b" text\n", ParameterType.STRING, " text\n"),
        (b"7\n", ParameterType.NUMBER_INTEGER, 7),
        (b"0.5", ParameterType.NUMBER_DOUBLE, 0.5),
        (b"True", ParameterType.BOOLEAN, True),
        (b"[1, 2]", ParameterType.LIST, [1, 2]),
        (b'{"a": "\xc3\xa9"}', ParameterType.STRUCT, {"a": "é"}),
    ],
)
def test_an_output_parameter_in_a_file_has_its_type(data: bytes, kind: ParameterType, value: Any) -> None:
    found = parse_parameter(data, kind, name="p")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff", ParameterType.STRING),
        (b"seven", ParameterType.NUMBER_INTEGER),
        (b"yes", ParameterType.BOOLEAN),
        (b"[", ParameterType.LIST),
        (b"[" * 100_000, ParameterType.LIST),
    ],
)
def test_an_output_parameter_of_another_type_is_named(data: bytes, kind: ParameterType) -> None:
    with pytest.raises(InvalidInput, match="'p' is no"):
        parse_parameter(data, kind, name="p")


def test_the_end_of_a_log_is_lines_that_can_be_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert log_tail(log) == ()
    log.write_bytes(b"\xff\0\n" + b"x" * 100_000 + b"\nlast")
    lines = log_tail(log)
    assert lines[-1] == "last"
    assert max(map(len, lines)) <= 2_000


@pytest.mark.parametrize("name", ["plain-name_1", "../../etc/passwd", "a/b", "ü", "x" * 300, ".", ""])
def test_no_name_of_a_port_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = StepFolder(root=tmp_path)
    assert folder.output_parameter(name).parent == tmp_path / "out" / "parameters"
    assert folder.input_artifact(name, 0).parent.parent == tmp_path / "in"
    assert folder.output_artifact(name).name not in ("", ".", "..")


def test_the_name_of_a_log_is_one_file_in_the_folder_of_its_run() -> None:
    class Node:
        path = "../loop[0]/é x\n" * 20
        id = "0123456789abcdef"

    name = log_name("run", Node(), 1)  # type: ignore[arg-type]
    assert name.startswith("run/")
    assert name.count("/") == 1
    assert "\n" not in name
    assert len(name) < 150


@pytest.mark.parametrize("text", ["[]", "{", "1", "[" * 50_000])
def test_a_file_that_should_be_a_json_object_and_is_not_is_a_value_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    assert read_json_file(path, limit_bytes=100_000) is None
    path.write_text(text)
    with pytest.raises(ValueError):
        read_json_file(path, limit_bytes=100_000)
    path.write_text(json.dumps({"a": "x" * 100}))
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_json_file(path, limit_bytes=10)

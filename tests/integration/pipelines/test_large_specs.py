"""Specs as large as people have them load in good time, with the real parsers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from tests.unit.pipelines.specs import SAMPLES, spec

from tidemill.pipelines import load_pipeline, plan


def chain(length: int) -> dict[str, Any]:
    whole = spec()
    component = {"executorLabel": "exec-use"}
    whole["components"] = {"comp-use": component}
    whole["root"] = {
        "dag": {
            "tasks": {
                f"t{number}": {
                    "componentRef": {"name": "comp-use"},
                    "dependentTasks": [f"t{number - 1}"] if number else [],
                }
                for number in range(length)
            }
        }
    }
    return whole


def test_five_thousand_tasks_in_a_row_load_within_five_seconds() -> None:
    text = yaml.safe_dump(chain(5_000))
    begun = time.monotonic()
    pipeline = load_pipeline(text, place="large.yaml")
    assert len(plan(pipeline).levels) == 5_000
    assert time.monotonic() - begun < 5


def test_a_literal_list_of_ten_thousand_items_loads() -> None:
    whole = spec()
    make = whole["root"]["dag"]["tasks"]["make"]
    make["parameterIterator"] = {"itemInput": "count", "items": {"raw": json.dumps(list(range(10_000)))}}
    dag = load_pipeline(json.dumps(whole), place="large.json").root.dag
    assert dag is not None
    iterator = dag.tasks["make"].iterator
    assert iterator is not None
    assert iterator.literal is not None
    assert iterator.literal[-1] == 9_999


def test_a_fresh_process_loads_a_sample_without_the_web_or_the_database(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tidemill.pipelines import load_pipeline; "
        f"p = load_pipeline(Path({str(SAMPLES / 'conditions.yaml')!r}).read_bytes(), place='x'); "
        "print(p.name, [n for n in ('sqlalchemy', 'fastapi', 'typer', 'prompt_toolkit') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "conditions []"

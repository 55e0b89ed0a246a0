"""Steps run for real: values between processes, failures, reports, metrics, figures, files and modules."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.integration.notebooks.stepwise import StepwiseRun
from tests.unit.notebooks.notebook_text import compiled, write_notebook

from tidemill.notebooks import compile_notebook

FUEL = Path(__file__).parents[3] / "examples" / "fuel"


def test_a_failing_cell_names_notebook_cell_and_line(tmp_path: Path) -> None:
    cells = [
        ("functions", "def f(v):\n    return 1 / v"),
        ("step:a", "x = 0"),
        ("step:b prev:a", "print('before')\n\nf(x)"),
    ]
    run = StepwiseRun(compiled(tmp_path, *cells), tmp_path)
    assert run.status == {"a": 0, "b": 1}
    failure = run.failure("b")
    assert {name: failure[name] for name in ("message", "notebook", "step", "cell", "line")} == {
        "message": "ZeroDivisionError: division by zero",
        "notebook": "n.ipynb",
        "step": "b",
        "cell": 3,
        "line": 3,
    }
    assert "return 1 / v" in failure["traceback"]
    assert "tidemill_runtime" not in failure["traceback"]
    report = (tmp_path / "b" / "report").read_text()
    assert "before" in report
    assert "ZeroDivisionError" in report
    assert not (tmp_path / "b" / "executor_output.json").exists()


@pytest.mark.parametrize("code", ["import sys\nsys.exit(0)", "raise KeyError('k')", "assert False", "x = (yield)"])
def test_whatever_a_cell_raises_fails_its_step(code: str, tmp_path: Path) -> None:
    made = compiled(tmp_path, ("step:a", code))
    run = StepwiseRun(made, tmp_path)
    assert run.status == {"a": 1}
    assert run.failure("a")["cell"] == 1


def test_a_variable_that_cannot_leave_is_named_with_its_type_and_step(tmp_path: Path) -> None:
    code = "import threading\nhandles = [threading.Lock()]"
    run = StepwiseRun(compiled(tmp_path, ("step:a", code), ("step:b prev:a", "print(handles)")), tmp_path)
    assert run.status == {"a": 1}
    message = run.failure("a")["message"]
    assert "`handles` of type list" in message
    assert "step a" in message
    assert "lock" in message


def test_an_unseen_change_to_a_shared_input_fails_the_step_that_made_it(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import operator"),
        ("step:a", "xs = [3, 1]"),
        ("step:b prev:a", "change = operator.methodcaller('sort')\nchange(xs)"),
        ("step:c prev:b", "print(xs)"),
    )
    run = StepwiseRun(made, tmp_path)
    assert run.status == {"a": 0, "b": 1}
    assert "provides:xs" in run.failure("b")["message"]
    told = compiled(
        tmp_path,
        ("imports", "import operator"),
        ("step:a", "xs = [3, 1]"),
        ("step:b prev:a provides:xs", "change = operator.methodcaller('sort')\nchange(xs)"),
        ("step:c prev:b", "print(xs)"),
    )
    again = tmp_path / "again"
    again.mkdir()
    assert StepwiseRun(told, again).printed.splitlines()[-1] == "[1, 3]"


def test_a_cache_that_a_library_fills_when_its_object_is_read_is_only_warned_of(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "import numpy, scipy.sparse"),
        ("step:a", "table = scipy.sparse.csr_matrix(numpy.eye(3)[:, ::-1])"),
        ("step:b prev:a", "\nprint(table.has_canonical_format)"),
        ("step:c prev:b", "print(table.sum())"),
    )
    run = StepwiseRun(made, tmp_path)
    assert run.succeeded, run.printed
    assert "n.ipynb, cell 3, line 2: warning: `table` was changed in place by the step b" in run.printed
    assert run.printed.splitlines()[-1] == "3.0"


def test_objects_in_two_variables_are_stored_together_and_a_model_is_not(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("imports", "from sklearn.neighbors import KNeighborsRegressor\nimport numpy as np"),
        (
            "step:a",
            "X = np.arange(4.0).reshape(-1, 1)\nh = {'X': X}\ny = [1]\n"
            "model = KNeighborsRegressor(1, algorithm='brute').fit(X, X)",
        ),
        ("step:b prev:a", "print(h['X'] is X, model.predict(X).sum(), y)"),
    )
    run = StepwiseRun(made, tmp_path)
    assert run.printed.splitlines() == ["True 6.0 [1]"]
    found = {name: artifact["metadata"] for name, artifact in run.artifacts["a"].items() if name != "report"}
    assert {name: metadata["codec"] for name, metadata in found.items()} == {
        "X": "cloudpickle", "h": "cloudpickle", "model": "skops", "y": "json"
    }  # fmt: skip
    assert found["X"]["together"] == found["h"]["together"] == "a/X"
    assert (tmp_path / "a" / "X").read_bytes() == (tmp_path / "a" / "h").read_bytes()


def test_metrics_are_recorded_live_and_as_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tmp_path / "live.jsonl"
    monkeypatch.setenv("TIDEMILL_METRICS", str(live))
    made = compiled(
        tmp_path,
        ("pipeline-parameters", "k = 2"),
        ("step:a", "loss = 0.5 * k\nname = 'n'\nbad = float('nan')"),
        ("", "loss = 0.25"),
        ("pipeline-metrics", "acc = round(0.9, 2)\nprint(f'{loss} {name} {bad} {k}')"),
    )
    run = StepwiseRun(made, tmp_path)
    assert run.artifacts["a"]["metrics"]["metadata"] == {"acc": 0.9, "loss": 0.25}
    lines = [json.loads(line) for line in live.read_text().splitlines()]
    assert [(line["name"], line["value"]) for line in lines] == [("loss", 1.0), ("loss", 0.25), ("acc", 0.9)]


def test_the_report_escapes_and_holds_figures_without_needing_them_to_pickle(tmp_path: Path) -> None:
    code = (
        "import matplotlib.pyplot as plt\nprint('<script>alert(1)</script>')\n"
        "fig, ax = plt.subplots()\nax.plot([1, 2])\nplt.show()\nfig"
    )
    run = StepwiseRun(
        compiled(tmp_path, ("step:a", "%matplotlib inline\n" + code), ("step:b prev:a", "print(1)")), tmp_path
    )
    assert run.succeeded, run.printed
    report = (tmp_path / "a" / "report").read_text()
    assert "<script>" not in report
    assert "&lt;script&gt;" in report
    assert report.count("data:image/png;base64,") == 1
    assert "UserWarning" not in run.printed


def test_displayed_frames_stand_in_the_report_as_tables(tmp_path: Path) -> None:
    code = "import pandas as pd\ndisplay(pd.DataFrame({'col': [1]}))\npd.DataFrame({'last': [2]})"
    run = StepwiseRun(compiled(tmp_path, ("step:a", code)), tmp_path)
    report = (tmp_path / "a" / "report").read_text()
    assert report.count("<iframe sandbox") == 2
    assert "last" in run.printed


def test_the_last_expression_is_shown_unless_a_semicolon_hides_it(tmp_path: Path) -> None:
    run = StepwiseRun(
        compiled(tmp_path, ("step:a", "'shown'"), ("", "'hidden';"), ("", "None"), ("", "x = 'bound'")), tmp_path
    )
    assert run.printed.splitlines() == ["'shown'"]


def test_top_level_await_runs(tmp_path: Path) -> None:
    code = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 3\nr = await f()"
    run = StepwiseRun(compiled(tmp_path, ("step:a", code), ("step:b prev:a", "print(r, await f())")), tmp_path)
    assert run.printed.splitlines() == ["3 3"]


def test_magics_and_shell_lines_work_in_a_step(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        (
            "step:a",
            "word = 'there'\n!echo hello {word} $word $HOME_IS_NOT_SET_HERE\nlines = !printf 'a\\nb\\n'\n%env CASE=env",
        ),
        ("step:b prev:a", "%%capture out\nprint('kept')"),
        (
            "step:c prev:b",
            "import os\nprint(lines, out.stdout.strip(), os.environ['CASE'])\n%time z = len(lines)\nprint(z)",
        ),
        ("step:d prev:c", "%%bash\necho from bash"),
    )
    run = StepwiseRun(made, tmp_path)
    assert run.printed.splitlines() == ["hello there there", "['a', 'b'] kept env", "2", "from bash"]


def test_classes_of_the_prelude_are_the_same_in_every_step(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        (
            "functions",
            "import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\n"
            "    def up(self):\n        return self.x + step\nstep = 1",
        ),
        ("step:a", "p = P(1)\nps = {'p': p}"),
        ("step:b prev:a", "print(isinstance(p, P), p.up(), ps['p'] == p, type(ps['p']) is P)"),
    )
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["True 2 True True"]


def test_modules_beside_the_notebook_are_there_in_a_step(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class T:\n    v = 4\n")
    made = compiled(tmp_path, ("step:a", "import mine\nt = mine.T()"), ("step:b prev:a", "print(t.v)"))
    (tmp_path / "mine.py").unlink()
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["4"]


def test_a_name_that_was_not_bound_is_unbound_downstream(tmp_path: Path) -> None:
    made = compiled(
        tmp_path,
        ("step:a", "flag = 0\nif flag:\n    x = 1"),
        ("step:b prev:a", "try:\n    x\nexcept NameError:\n    print('unbound')"),
    )
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["unbound"]


def test_the_random_numbers_of_numpy_go_on_from_step_to_step(tmp_path: Path) -> None:
    cells = [
        "import numpy as np\nnp.random.seed(3)\na = np.random.rand()",
        "b = np.random.rand()",
        "print(a, b, np.random.rand())",
    ]
    parts = [(f"step:s{n}", code) for n, code in enumerate(cells)]
    run = StepwiseRun(compiled(tmp_path, *parts), tmp_path)
    whole = tmp_path / "whole"
    whole.mkdir()
    assert run.printed == StepwiseRun(compiled(whole, *[("", code) for code in cells]), whole).printed


def test_long_programs_are_cut_into_arguments_that_linux_takes(tmp_path: Path) -> None:
    text = "é" * 90_000
    made = compiled(tmp_path, ("step:a", f"x = '{text}'\nprint(len(x))"))
    arguments = made.spec["deploymentSpec"]["executors"]["exec-a"]["container"]["args"]
    assert max(len(word.encode()) for word in arguments) < 128 * 1024
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["90000"]


def test_the_fuel_example_runs_step_by_step_and_its_model_predicts_from_raw_columns(tmp_path: Path) -> None:
    made = compile_notebook(FUEL / "pipeline.ipynb")
    assert made.warnings == ()
    for name in ("pandas", "sklearn.pipeline", "sklearn.metrics", "matplotlib.pyplot", "pyarrow.parquet", "skops.io"):
        importlib.import_module(name)  # here once, instead of in the child of each step
    run = StepwiseRun(made, tmp_path, {"data_cars_csv": str(FUEL / "cars.csv")})
    assert run.succeeded, run.printed
    metrics = run.artifacts["evaluate"]["metrics"]["metadata"]
    assert sorted(metrics) == ["mae", "r2", "rmse", "val_mae"]
    assert metrics["mae"] < 3
    assert run.artifacts["train"]["model"]["metadata"]["codec"] == "skops"


def test_the_released_kfp_loads_what_is_compiled(tmp_path: Path) -> None:
    peer = os.environ.get("TIDEMILL_PEER_KFP")
    if not peer:
        pytest.skip("TIDEMILL_PEER_KFP does not name a virtual environment with kfp")
    fuel = compile_notebook(FUEL / "pipeline.ipynb")
    tagged = compiled(
        tmp_path,
        ("pipeline-parameters", "a = -1\nb = [1, 'x']\nc = {'k': 1.5}\nd: int | None = None"),
        (
            "step:one_two label:team:x annotation:n:1 secret:s:k:ENV timeout:2h retry:2 limit:cpu:2 limit:memory:1Gi",
            "x = (a, b, c, d)",
        ),
        ("step:b prev:one_two limit:nvidia.com/gpu:1 cache:disabled image:python:3.12", "x.add(1)\ny: 'ü' = '{{x}}'"),
    )
    code = (
        "import sys, yaml, kfp.components, kfp.compiler\n"
        "loaded = kfp.components.load_component_from_file(sys.argv[1])\n"
        "kfp.compiler.Compiler().compile(loaded, sys.argv[2])\n"
        "one, two = (list(yaml.safe_load_all(open(name))) for name in sys.argv[1:])\n"
        "one[0].pop('sdkVersion'), two[0].pop('sdkVersion')\n"
        "assert one == two, (one, two)\n"
    )
    for number, made in enumerate((fuel, tagged)):
        source = tmp_path / f"{number}.yaml"
        source.write_text(made.yaml)
        command = [f"{peer}/bin/python", "-W", "ignore", "-c", code, str(source), str(tmp_path / f"{number}.kfp.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_percent_script_compiles_as_a_notebook_does(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text(
        '# %% tags=["step:a"]\n# %matplotlib inline\nx = 1\n\n'
        '# %% [markdown]\n# # Text\n\n# %% tags=["step:b", "prev:a"]\nprint(x)\n'
    )
    made = compile_notebook(script, requirements=(), python="3.11")
    assert made.source_map == {"a": (1,), "b": (2,)}
    assert StepwiseRun(made, tmp_path).printed.splitlines() == ["1"]


def test_kept_outputs_are_given_though_nobody_takes_them(tmp_path: Path) -> None:
    path = write_notebook(tmp_path, [("step:fit_it", "model = [1]\nother = 2")])
    made = compile_notebook(path, requirements=(), python="3.11", keep=("fit_it.model", "nowhere.x"))
    run = StepwiseRun(made, tmp_path)
    assert sorted(run.artifacts["fit-it"]) == ["model", "report"]

"""An ejected module, compiled by the released `kfp`, is the pipeline that the notebook compiles to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.integration.notebooks.corpus import CORPUS
from tests.unit.notebooks.notebook_text import compiled, write_notebook

from tidemill.base.errors import InvalidInput
from tidemill.notebooks import CompiledNotebook, compile_notebook, eject

FUEL = Path(__file__).parents[3] / "examples" / "fuel"
COMPILE = """
import importlib.util, pathlib, sys
from kfp import compiler
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    compiler.Compiler().compile(module.pipeline, str(path.with_suffix(".yaml")))
"""


@pytest.fixture(scope="module")
def peer() -> str:
    """The Python of a virtual environment with the released `kfp`."""
    found = os.environ.get("TIDEMILL_PEER_KFP")
    if not found:
        pytest.skip("TIDEMILL_PEER_KFP does not name a virtual environment with kfp")
    return f"{found}/bin/python"


def compile_by_kfp(peer: str, folder: Path, modules: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The PipelineSpec that `kfp` makes of each module."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [peer, "-W", "ignore", "-c", COMPILE, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return {name: yaml.load((folder / f"{name}.yaml").read_text(), loader) for name in modules}


def plain(spec: dict[str, Any], original: CompiledNotebook) -> dict[str, Any]:
    """A spec without what is not the pipeline itself: who wrote it, descriptions, and how importers are called."""
    tasks = spec["root"]["dag"]["tasks"]
    own = {task for task, one in tasks.items() if task not in original.source_map}
    called = {task: f"import {tasks[task]['taskInfo']['name']}" for task in own}
    made: dict[str, Any] = renamed(spec, called)
    made.pop("sdkVersion")
    for parameter in made["root"].get("inputDefinitions", {}).get("parameters", {}).values():
        parameter.pop("description", None)
    return made


def renamed(value: Any, called: dict[str, str]) -> Any:
    """The same with tasks, components and executors called otherwise."""
    if isinstance(value, dict):
        kinds = {"importer"} if "importer" in value and "artifactUri" in value["importer"] else set()
        return {key if key in kinds else renamed(key, called): renamed(item, called) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, called) for item in value]
    if isinstance(value, str):
        for prefix in ("", "comp-", "exec-"):
            if value.startswith(prefix) and value[len(prefix) :] in called:
                return prefix + called[value[len(prefix) :]]
    return value


def tagged(cells: Sequence[str]) -> list[tuple[str, str]]:
    """One step per cell, each after the one above."""
    shared = [cell.startswith(("#functions", "#imports")) for cell in cells]
    tags = ["functions" if shared[n] else f"step:s{n}" for n in range(len(cells))]
    for before, after in pairwise(n for n in range(len(cells)) if not shared[n]):
        tags[after] += f" prev:s{before}"
    return list(zip(tags, cells, strict=True))


EVERYTHING = [
    ("imports", "%matplotlib inline\nimport mine, random\nrandom.seed(1)"),
    (
        "pipeline-parameters",
        "a = -1\nb: list = [1, 'x']\nc = {'k': 1.5, 'q': '\\'\"'}\nd: int | None = None\ndsl = True\nwide = 0.1",
    ),
    ("step:json retry:2 limit:cpu:500m limit:memory:1Gi", "x = [a, random.random()]\narguments = b\ny = open('t.csv')"),
    ("step:Load_2-it prev:json cache:disabled image:python:3.12", "a = a + 1\nx.append(c)\ns = '''\"\"\"'''"),
    ("", "%%time\nd = r'\\n' '{{$}} $(x) ${HOME} é\\t\"'"),
    ("step:class prev:Load_2-it limit:nvidia.com/gpu:1 report:disabled", "print(x, a, d, s, wide, arguments)\nx.pop()"),
    ("step:pipeline prev:class", "x.append(random.random())\nz = '''\n\\\\'''"),
    ("step:last prev:json", "arguments\n"),
    ("step:after_all prev:last prev:pipeline report:disabled", "print(mine.V, x, dsl)"),
    ("pipeline-metrics", "loss = 1"),
]


def test_kfp_compiles_what_is_ejected_to_the_same_pipeline(peer: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('"""Text with \\\\ and quotes."""\nV = """\n"""\n')
    (tmp_path / "t.csv").write_text("1")
    made = {name: compiled(tmp_path, *tagged(cells)) for name, cells in CORPUS.items()}
    made["everything"] = compiled(tmp_path, *EVERYTHING)
    made["fuel"] = compile_notebook(FUEL / "pipeline.ipynb")
    long = "é" * 60_000
    made["long"] = compiled(tmp_path, ("step:a", f"x = '{long}'"), ("step:b prev:a", "print(x)"))

    folder = tmp_path / "modules"
    folder.mkdir()
    found = compile_by_kfp(peer, folder, {name: eject(one) for name, one in made.items()})
    for name, one in made.items():
        assert plain(found[name], one) == plain(one.spec, one), name


def test_the_authors_cells_can_be_read_in_the_module(tmp_path: Path) -> None:
    cell = 'name = "fuel"\n\nfor row in range(3):\n    print(f"{row} {name}")'
    text = eject(compiled(tmp_path, ("step:one", cell), ("step:two prev:one", "# \\d\nprint(name)")))
    assert f'# Cell 1.\nCELL_1 = """\\\n{cell}"""\n' in text
    assert 'CELL_2 = r"""# \\d\nprint(name)"""' in text
    assert "from the notebook n.ipynb" in text.split('"""')[1]
    assert max(len(line) for line in text.splitlines()) <= 120


@pytest.mark.parametrize(
    ("cells", "cell"),
    [
        ([("step:a", "x = 1"), ("step:b", "_y = 1"), ("step:c prev:b", "print(_y)")], 2),
        ([("step:a", "größe = 1"), ("step:c prev:a", "print(größe)")], 1),
        ([("pipeline-parameters", "_p = 1"), ("step:a", "1"), ("step:b", "print(_p)")], 3),
        ([("step:a", "1"), ("step:importer", "open('t.csv')")], 2),
        ([("step:a", "x = '\\ud800'"), ("step:b", "%%bash\necho \ud800")], 2),
    ],
)
def test_what_kfp_has_no_way_to_say_is_refused_with_its_cell(
    cells: list[tuple[str, str]], cell: int, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("1")
    made = compile_notebook(write_notebook(tmp_path, cells), requirements=(), python="3.11")
    with pytest.raises(InvalidInput) as caught:
        eject(made)
    assert caught.value.place == f"n.ipynb, cell {cell}"
    assert caught.value.remedy

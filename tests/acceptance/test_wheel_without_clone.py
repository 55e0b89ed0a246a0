"""From the wheels alone, in an empty environment and a folder with one's own notebook: a prediction in six commands."""

from __future__ import annotations

import csv
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.command_line import CommandLine

from tidemill.locks.model import Indexes
from tidemill.locks.uv import run_uv

ROOT = Path(__file__).parents[2]
CELLS = (
    "import pandas as pd\n"
    "from sklearn.linear_model import LinearRegression\n"
    "from sklearn.model_selection import train_test_split",
    'homes = pd.read_csv("homes.csv")\nhomes.head()',
    'X_train, X_test, y_train, y_test = train_test_split(homes[["area", "rooms"]], homes["price"], random_state=0)',
    "model = LinearRegression().fit(X_train, y_train)\nmodel.score(X_test, y_test)",
    "y_test.to_frame().assign(guess=model.predict(X_test)).head()",
)
SIX_COMMANDS = (
    ("init",),
    ("up", "--detach", "--port", "0"),
    ("run",),
    ("review", "open"),
    ("deploy",),
    ("predict", "homes", "area=80", "rooms=3"),
)
"""What the README shows; the port is the test's own."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `tidemill` of an environment that holds the two wheels and what they ask for, nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    for source in (ROOT, ROOT / "src"):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    wheels = sorted(map(str, (folder / "dist").glob("*.whl")))
    assert [Path(wheel).name.split("-")[0] for wheel in wheels] == ["tidemill", "tidemill_runtime"]
    venv = folder / "venv"
    for arguments in (
        ["venv", str(venv), "--python", sys.executable],
        ["pip", "install", "--python", str(venv / "bin" / "python"), *wheels],
    ):
        run_uv(arguments, indexes=Indexes(), stdin="", place=" ".join(arguments[:2]))
    return venv / "bin" / "tidemill"


@pytest.fixture
def tidemill(installed: Path, tmp_path: Path) -> Iterator[CommandLine]:
    """A folder with a notebook and its data, and nothing of the clone on any path; its site is down afterwards."""
    folder = tmp_path / "homes"
    folder.mkdir()
    (folder / "homes.ipynb").write_text(json.dumps(_notebook()))
    chance = random.Random(1)
    with (folder / "homes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "rooms", "price"])
        for _ in range(200):
            area, rooms = chance.randint(30, 200), chance.randint(1, 7)
            writer.writerow([area, rooms, round(area * 3000 + rooms * 10_000 + chance.gauss(0, 5000))])
    variables = {"PATH": os.defpath, "PYTHONPATH": "", "VIRTUAL_ENV": ""}
    made = CommandLine(folder=folder, home=tmp_path / "home", program=[str(installed)], variables=variables)
    yield made
    made("down")


def test_six_commands_lead_from_a_notebook_to_a_prediction(tidemill: CommandLine) -> None:
    said = [tidemill(*command) for command in SIX_COMMANDS]
    assert len(said) == 6
    assert float(said[-1]) == pytest.approx(80 * 3000 + 3 * 10_000, rel=0.02)


def test_the_wheels_bring_what_the_commands_read(installed: Path) -> None:
    script = (
        "import importlib.resources as r, tidemill, tidemill_runtime;"
        "print(tidemill.__file__, tidemill_runtime.__file__);"
        "root = r.files('tidemill');"
        "names = ['base/migrations/script.py.mako', 'base/migrations/env.py', 'locks/tool_requirements/dvc.txt',"
        " 'server/static/index.html', 'server/static/favicon.svg',"
        " 'serving/page/service.css', 'serving/page/service.js', 'examples/fuel/pipeline.ipynb',"
        " 'examples/fuel/tidemill.toml', 'examples/fuel/cars.csv', 'py.typed'];"
        "print(*[name for name in names if not (root / name).is_file()])"
    )
    done = subprocess.run(
        [str(installed.with_name("python")), "-I", "-c", script], capture_output=True, text=True, check=True, cwd="/"
    )
    places, missing = done.stdout.splitlines()
    assert missing == ""
    assert all(Path(place).is_relative_to(installed.parents[1]) for place in places.split())


def _notebook() -> dict[str, object]:
    """Written without a thought of Tidemill: no tags."""
    cells: list[dict[str, object]] = [
        {"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(CELLS)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}

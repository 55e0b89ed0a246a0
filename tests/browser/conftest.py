"""A real browser, and a site with a project in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.acceptance.command_line import CommandLine
from tests.acceptance.projects.churn.subscribers import subscribers_csv

PROJECT = Path(__file__).parents[1] / "acceptance" / "projects" / "churn"
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, PHONE = (1440, 900), (390, 844)
SECONDS = 30_000.0
"""How long a page may take to show what a test waits for, in milliseconds."""

ROLLOUT = """
[service.rollout]
steps = [10, 50, 100]
hold_seconds = 3600
"""

FRAGILE = """# %% tags=["parameters"]
path = "nowhere"

# %% tags=["step:look"]
from pathlib import Path
text = Path(path).read_text()
print("it says", text)

# %% tags=["step:count"]
letters = len(text)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; of one file, since its loop stands in the way of others."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=list(SWITCHES))
        yield opened
        opened.close()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A site that is up, the command line of its owner, and the token of an approver."""

    tidemill: CommandLine
    url: str
    approver: str

    def page(self, browser: Browser, *, size: tuple[int, int] = WIDE, token: str = "", dark: bool = False) -> Page:
        """A page of a browser that is signed in, as the owner unless a token says who; nothing it logs is an error."""
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        page.set_default_timeout(SECONDS)
        page.goto(self.tidemill.json("open", token=token)["url"])
        page.get_by_role("heading", name="Home").wait_for()
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a classifier of which nothing is live, and a notebook that fails without its file."""
    folder = tmp_path_factory.mktemp("churn")
    for name in ("churn.ipynb", "tidemill.toml"):
        shutil.copy(PROJECT / name, folder)
    declared = (folder / "tidemill.toml").read_text()
    own = re.search(r"\n\[service\.rollout\]\n(?:[^\[\n].*\n)+", declared)
    assert own is not None, "the project declares a rollout that a browser could not follow by hand"
    (folder / "tidemill.toml").write_text(declared.replace(own[0], ROLLOUT))
    (folder / "fragile.py").write_text(FRAGILE)
    tidemill = CommandLine(folder=folder, home=tmp_path_factory.mktemp("home"))
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*_WHO, "commit", "-q", "-m", "A first model"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "subscribers.csv").write_text(subscribers_csv(), encoding="utf-8")
    tidemill("up", "--detach", "--port", "0")
    try:
        approver = tidemill.json("token", "create", "--person", "ada", "--role", "approver")["secret"]
        yield Site(tidemill=tidemill, url=tidemill.json("status")["url"], approver=approver)
    finally:
        tidemill("down")


_WHO = ["-c", "user.name=Grace", "-c", "user.email=grace@example.org"]


def accessibility_problems(page: Page) -> list[Any]:
    """What axe finds wrong by WCAG AA."""
    source = (Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page.evaluate(source)
    told = page.evaluate("axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'], resultTypes: ['violations'] })")
    return [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:3], one["nodes"][0].get("failureSummary"))
        for one in told["violations"]
    ]

"""People at the dashboard: a failed run is resumed, a review approved on a phone, a service rolled back."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import PHONE, SECONDS, WIDE, Site, accessibility_problems

from tidemill.engine.testing import Step, pipeline_of

SMALL = json.dumps(dict(pipeline_of(Step(name="only")).raw))
SCREENS = Path(__file__).parents[2] / "build" / "screens"


def test_a_failed_run_is_opened_and_resumed(site: Site, browser: Browser, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.txt"
    site.tidemill("run", "fragile.py", "-p", f"path={wanted}", expect=1)
    page = site.page(browser)
    page.get_by_role("link", name=re.compile("^fragile")).first.click()
    expect(page.get_by_role("alert").first).to_contain_text("No such file or directory")
    expect(page.get_by_text("look, fragile.py, cell")).to_be_visible()
    wanted.write_text("at last")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("h1").locator("..").get_by_text("succeeded")).to_be_visible(timeout=SECONDS)
    page.locator(".step", has_text="look").click()
    expect(page.locator("pre.log")).to_contain_text("it says at last")
    page.context.close()


def test_a_review_is_approved_on_a_phone_then_traffic_is_shifted_and_rolled_back(site: Site, browser: Browser) -> None:
    tidemill = site.tidemill
    tidemill("data", "add", "subscribers.csv")
    tidemill("run")
    tidemill("deploy")
    tidemill("review", "open")
    phone = site.page(browser, size=PHONE, token=site.approver)
    approve(phone, "churn@1")
    second = tidemill.json("run", "-p", "inverse_penalty=0.4")["run_id"]
    tidemill("review", "open", second)
    phone.goto(f"{site.url}/")
    approve(phone, "churn@2")
    phone.context.close()
    page = site.page(browser)
    page.goto(f"{site.url}/services/churn")
    expect(page.get_by_text("churn@2 10 %")).to_be_visible(timeout=SECONDS)
    page.get_by_role("button", name="Next step").click()
    expect(page.get_by_text("churn@2 50 %")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("churn@1 50 %")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("churn@1 100 %")).to_be_visible(timeout=SECONDS)
    assert site.tidemill.json("service", "show", "churn")["revisions"][-1]["state"] == "live"
    page.context.close()


def approve(phone: Page, version: str) -> None:
    """What an approver does on a phone, from the home page on."""
    phone.get_by_role("link", name=re.compile(f"{version}.*waits")).click()
    expect(phone.get_by_role("heading", name=re.compile(version))).to_be_visible()
    button = phone.get_by_role("button", name="Approve")
    assert button.bounding_box() is not None
    assert (button.bounding_box() or {})["y"] < PHONE[1], "the decision is not on the first screen"
    button.click()
    expect(phone.get_by_text("approved", exact=True)).to_be_visible(timeout=SECONDS)
    expect(phone.get_by_text("Approved by ada")).to_be_in_viewport(timeout=SECONDS)


def test_what_others_wrote_is_shown_and_never_run(site: Site, browser: Browser) -> None:
    hostile = '<img src=x onerror="window.hacked=1">' + "ü" * 200
    page = site.page(browser)
    page.evaluate(
        """async ([name, spec]) => {
            const body = JSON.stringify({ spec, name, experiment: name, origin: { source: name, commit: name } });
            const headers = { "Content-Type": "application/json" };
            const sent = await fetch("/api/v1/runs", { method: "POST", headers, body });
            if (!sent.ok) throw new Error(await sent.text());
        }""",
        [hostile, SMALL],
    )
    for place in ("", "experiments", "runs"):
        page.goto(f"{site.url}/{place}")
        page.get_by_text("<img src=x").first.wait_for()
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDE[0], f"/{place} does not hold a long name"
    page.get_by_role("link", name=re.compile("<img")).first.click()
    expect(page.locator("h1")).to_contain_text("<img src=x")
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDE[0]
    assert page.evaluate("window.hacked") is None
    page.context.close()


def test_a_table_that_a_step_left_is_looked_into_and_the_machine_is_shown(site: Site, browser: Browser) -> None:
    run = site.tidemill.json("run")["run_id"]
    page = site.page(browser, size=PHONE, dark=True)
    page.goto(f"{site.url}/runs/{run}?view=artifacts")
    page.locator(".step", has_text="load").click()
    page.get_by_role("button", name=re.compile("^look into")).first.click()
    rows = page.get_by_role("region", name="the first rows")
    rows.wait_for()
    assert rows.locator("tbody tr").count() == 50
    expect(page.get_by_text(re.compile(r"^parquet, \d+ rows, \d+ columns"))).to_be_visible()
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="pages").click()
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("progressbar", name="Disk of the home")).to_be_visible()
    expect(page.get_by_role("cell", name="worker", exact=True)).to_be_visible()
    page.context.close()


def test_a_stopped_worker_and_a_lost_site_are_seen(site: Site, browser: Browser) -> None:
    page = site.page(browser)
    processes = {each["name"]: each for each in site.tidemill.json("status")["processes"]}
    worker = page.locator("[data-process='worker']")
    expect(worker).to_contain_text("up")
    os.kill(processes["worker"]["pid"], signal.SIGKILL)
    expect(worker).to_have_attribute("title", re.compile("started again"), timeout=SECONDS)
    os.kill(processes["server"]["pid"], signal.SIGKILL)
    expect(page.get_by_text("the site is not heard")).to_be_visible(timeout=SECONDS)
    expect(page.get_by_text("the site is not heard")).to_be_hidden(timeout=SECONDS)
    page.context.close()


def test_every_page_can_be_read_by_all_in_both_themes(site: Site, browser: Browser) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    problems = []
    for dark in (False, True):
        page = site.page(browser, dark=dark)
        places = ["", "experiments", "runs", "tunings", "reviews", "models", "services", "monitoring", "health"]
        places.append("nowhere")
        for words in ("runs", "reviews", "models", "services", "monitoring"):
            page.goto(f"{site.url}/{words}")
            link = page.locator("tbody a").first
            link.wait_for()
            places.append((link.get_attribute("href") or "").lstrip("/"))
        for place in places:
            for size in (WIDE, PHONE):
                page.set_viewport_size({"width": size[0], "height": size[1]})
                page.goto(f"{site.url}/{place}")
                page.locator("h1").wait_for()
                what = re.sub("/[0-9a-f-]{36}", "-one", place).replace("/", "-") or "home"
                name = f"{what}-{'dark' if dark else 'light'}-{size[0]}.png"
                page.screenshot(path=SCREENS / name)
                wide = page.evaluate("document.documentElement.scrollWidth")
                assert wide <= size[0], f"{place} is {wide} pixels wide on a screen of {size[0]}"
            problems += [(place, dark, problem) for problem in accessibility_problems(page)]
        page.context.close()
    assert problems == [], "\n".join(map(str, problems))

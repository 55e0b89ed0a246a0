"""A token goes to the site that it is for, and to no other address."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.access import local_token
from tidemill.base.errors import Unauthenticated
from tidemill.cli.connection import Connection
from tidemill.platform import Platform

ELSEWHERE = "http://tidemill.example.org"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A home, and a project folder to stand in."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    made = Platform(home=tmp_path / "home")
    yield made
    made.site.database.close()


def _home(platform: Platform, **settings: str) -> None:
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    (platform.home.path / "settings.toml").write_text("".join(lines))


def test_without_an_address_it_is_the_owners(platform: Platform) -> None:
    assert Connection(platform).secret == local_token(platform.site)


def test_the_owners_token_is_not_sent_elsewhere(platform: Platform) -> None:
    _home(platform, url=ELSEWHERE)
    assert Connection(platform).secret == ""


def test_the_live_site_of_the_home_gets_it_by_its_address_too(platform: Platform) -> None:
    _home(platform, url=ELSEWHERE + "/")
    (platform.home.path / "site.json").write_text(json.dumps({"pid": os.getpid(), "url": ELSEWHERE, "socket": "/s"}))
    assert Connection(platform).secret == local_token(platform.site)


def test_a_login_is_for_its_address(platform: Platform) -> None:
    _home(platform, url=ELSEWHERE, token="tm_theirs")
    assert Connection(platform).secret == "tm_theirs"


def test_a_project_cannot_send_the_token_of_a_login_to_another_address(platform: Platform) -> None:
    _home(platform, url=ELSEWHERE, token="tm_theirs")
    Path("tidemill.toml").write_text('[settings]\nurl = "http://evil.example.org"\n')
    assert Connection(platform).secret == ""


def test_a_token_of_the_environment_goes_where_the_project_says(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMILL_TOKEN", "tm_mine")
    Path("tidemill.toml").write_text(f'[settings]\nurl = "{ELSEWHERE}"\n')
    assert Connection(platform).secret == "tm_mine"


def test_a_token_that_is_none_is_refused(platform: Platform) -> None:
    _home(platform, token="tm_größer")
    with pytest.raises(Unauthenticated, match="this is no token"):
        _ = Connection(platform).secret

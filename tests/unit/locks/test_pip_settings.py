from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.locks.model import Indexes
from tidemill.locks.pip_settings import (
    PipSettings,
    pip_files,
    read_pip_settings,
    uv_variables,
    with_indexes,
    without_default_index,
    without_extra,
    without_missing_folders,
)


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_variables_win_over_files_and_install_over_global(tmp_path: Path) -> None:
    weak = _file(tmp_path, "weak", "[install]\ntimeout = 7\n[global]\nindex-url = https://weak/\ntimeout = 1\n")
    strong = _file(tmp_path, "strong", "[global]\nindex_url = https://strong/\nextra-index-url =\n  https://a/\n  b\n")
    settings = read_pip_settings({"PIP_FIND_LINKS": "/one /two", "PIP_CERT": "/ca.pem"}, [weak, strong])
    assert settings == PipSettings(
        index_url="https://strong/",
        extra_index_urls=("https://a/", "b"),
        find_links=("/one", "/two"),
        cert="/ca.pem",
        timeout_seconds="7",
    )


def test_a_missing_or_broken_file_counts_as_absent(tmp_path: Path) -> None:
    broken = _file(tmp_path, "broken", "index-url = x\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe[global]")
    assert read_pip_settings({}, [tmp_path / "none", broken, binary]) == PipSettings()


def test_pip_can_be_told_to_read_no_file() -> None:
    assert pip_files({"PIP_CONFIG_FILE": "/dev/null"}, Path("/venv")) == []


def test_the_files_are_those_of_pip_and_a_named_one_is_strongest() -> None:
    files = pip_files({"HOME": "/h", "PIP_CONFIG_FILE": "/my.conf"}, Path("/venv"))
    assert [str(path) for path in files] == [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        "/h/.pip/pip.conf",
        "/h/.config/pip/pip.conf",
        "/venv/pip.conf",
        "/my.conf",
    ]


def test_a_component_adds_indexes_and_replaces_the_default_one() -> None:
    machine = PipSettings(index_url="https://machine/", extra_index_urls=("https://extra/",), no_index=True)
    asked = with_indexes(machine, Indexes(index_url="https://own/", extra_index_urls=("https://more/",)))
    assert (asked.index_url, asked.extra_index_urls) == ("https://own/", ("https://extra/", "https://more/"))
    assert not asked.no_index
    assert with_indexes(machine, Indexes()) == machine


def test_local_folders_that_do_not_exist_are_passed_over(tmp_path: Path) -> None:
    here = tmp_path / "with space"
    here.mkdir()
    address = here.as_uri()
    settings = PipSettings(
        extra_index_urls=(address, "file:///no/such/simple", "https://far/"), find_links=("/no/such", str(here))
    )
    left = without_missing_folders(settings)
    assert (left.extra_index_urls, left.find_links) == ((address, "https://far/"), (str(here),))


def test_paths_become_absolute_since_uv_runs_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    monkeypatch.chdir(tmp_path)
    assert without_missing_folders(PipSettings(find_links=("wheels",))).find_links == (str(tmp_path / "wheels"),)


def test_an_index_that_is_silent_can_be_left_out() -> None:
    settings = PipSettings(index_url="https://one/", extra_index_urls=("https://two/", "https://three/"))
    assert without_extra(settings, "https://two/").extra_index_urls == ("https://three/",)
    second = without_default_index(settings)
    assert (second.index_url, second.extra_index_urls, second.no_index) == ("https://two/", ("https://three/",), False)
    assert without_default_index(PipSettings(index_url="https://one/")).no_index


def test_uv_gets_the_settings_under_its_own_names() -> None:
    variables = uv_variables(
        PipSettings(
            index_url="https://one/",
            extra_index_urls=("https://two/", "file:///three"),
            find_links=("/wheels", "/more"),
            trusted_hosts=("https://one/simple", "two:8080"),
            cert="/ca.pem",
            client_cert="/me.pem",
            proxy="http://proxy:3128",
            timeout_seconds="9",
        )
    )
    assert variables == {
        "UV_DEFAULT_INDEX": "https://one/",
        "UV_INDEX": "https://two/ file:///three",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "one two:8080",
        "UV_HTTP_TIMEOUT": "9",
        "SSL_CERT_FILE": "/ca.pem",
        "SSL_CLIENT_CERT": "/me.pem",
        "ALL_PROXY": "http://proxy:3128",
        "HTTPS_PROXY": "http://proxy:3128",
        "HTTP_PROXY": "http://proxy:3128",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_nothing_set_leaves_uv_to_itself() -> None:
    assert uv_variables(PipSettings()) == {}

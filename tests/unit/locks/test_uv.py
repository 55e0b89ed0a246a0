"""How uv's complaints become our errors, with a script that answers in uv's place."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tidemill.base.errors import InvalidInput, StorageFull, TidemillError, Unavailable
from tidemill.base.site import Site
from tidemill.locks import Indexes, Requirements, lock
from tidemill.locks import uv as uv_module
from tidemill.locks.pip_settings import PipSettings
from tidemill.locks.uv import run_uv, uv_environment


@pytest.fixture
def fake_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose script `uv` runs instead of uv; no pip setting of this machine reaches it."""
    path = tmp_path / "uv"
    monkeypatch.setattr(uv_module, "find_uv", lambda: str(path))
    monkeypatch.setattr(uv_module, "pip_files", lambda environ, prefix: [])
    for name in (
        "PIP_FIND_LINKS",
        "PIP_EXTRA_INDEX_URL",
        "PIP_INDEX_URL",
        "UV_INDEX",
        "UV_DEFAULT_INDEX",
        "PIP_NO_INDEX",
    ):
        monkeypatch.delenv(name, raising=False)
    return path


def _answers(path: Path, script: str) -> None:
    path.write_text("#!/bin/sh\n" + textwrap.dedent(script))
    path.chmod(0o755)


def _complaint(path: Path, text: str, status: int = 1) -> TidemillError:
    _answers(path, f"cat >&2 <<'END'\n{text}\nEND\nexit {status}\n")
    with pytest.raises(TidemillError) as caught:
        run_uv(["pip", "compile", "-"], indexes=Indexes(), stdin="", place="requirements")
    return caught.value


def test_a_requirement_that_cannot_be_had_is_invalid_input_with_the_essential_lines(fake_uv: Path) -> None:
    error = _complaint(fake_uv, "  × No solution found:\n  ╰─▶ Because no-such was not found, no.\n\n")
    assert isinstance(error, InvalidInput)
    assert error.message == "No solution found:\nBecause no-such was not found, no."


def test_a_full_disk_is_storage_full(fake_uv: Path) -> None:
    error = _complaint(fake_uv, "error: Failed to extract\n  cause: No space left on device (os error 28)", 2)
    assert isinstance(error, StorageFull)
    assert "No space left" in error.message


def test_an_index_out_of_reach_is_unavailable_and_named(fake_uv: Path) -> None:
    error = _complaint(
        fake_uv,
        "error: Request failed after 3 retries\n  cause: Failed to fetch: https://bob:secret@index.example/simple/idna/\n"
        "  cause: error sending request\n  cause: dns error",
        2,
    )
    assert isinstance(error, Unavailable)
    assert "the package index index.example does not answer" in error.message
    assert "secret" not in str(error)


def test_a_silent_extra_index_is_passed_over(fake_uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://dead.example/simple http://live.example/simple")
    _answers(
        fake_uv,
        """
        case "$UV_INDEX" in
          *dead*) echo "Failed to fetch: http://dead.example/simple/x/ tcp connect error" >&2; exit 2;;
          *) echo "from $UV_INDEX";;
        esac
        """,
    )
    told = run_uv(["pip", "compile", "-"], indexes=Indexes(), stdin="", place="requirements")
    assert told == "from http://live.example/simple\n"


def test_a_package_that_is_missing_where_an_index_is_silent_is_not_blamed_on_the_user(
    fake_uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "http://dead.example/simple")
    _answers(
        fake_uv,
        """
        case "$UV_INDEX" in
          *dead*) echo "Failed to fetch: http://dead.example/simple/x/ tcp connect error" >&2; exit 2;;
          *) echo "x was not found in the package registry" >&2; exit 1;;
        esac
        """,
    )
    with pytest.raises(Unavailable, match=r"dead\.example does not answer"):
        run_uv(["pip", "compile", "-"], indexes=Indexes(), stdin="", place="requirements")


def test_what_uv_has_in_its_cache_is_used_when_nothing_answers(fake_uv: Path) -> None:
    _answers(
        fake_uv,
        """
        for word in "$@"; do test "$word" = --offline && echo cached && exit 0; done
        echo "Failed to fetch: https://index.example/ dns error" >&2; exit 2
        """,
    )
    assert run_uv(["pip", "compile", "-"], indexes=Indexes(), stdin="", place="requirements") == "cached\n"


def test_uv_is_told_by_an_option_that_there_is_no_index(fake_uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    _answers(fake_uv, 'echo "$@"')
    told = run_uv(["pip", "compile", "-"], indexes=Indexes(), stdin="", place="requirements")
    assert told == "pip compile - --no-index\n"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("setting", ["PIP_NO_INDEX", "PIP_INDEX_URL"])
def test_where_only_a_folder_of_links_is_left_a_dead_network_is_an_error(
    fake_uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv(setting, "1")
    error = _complaint(fake_uv, "Failed to fetch: https://elsewhere.example/x/ dns error", 2)
    assert isinstance(error, Unavailable)
    assert "elsewhere.example does not answer" in error.message


def test_certificates_of_the_system_count_as_with_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.crt"
    monkeypatch.setattr(uv_module, "SYSTEM_CERTIFICATES", (tmp_path / "elsewhere.crt", bundle))
    assert "UV_SYSTEM_CERTS" not in uv_environment(PipSettings(), {}), "uv's own are better than none"
    bundle.touch()
    assert uv_environment(PipSettings(), {})["UV_SYSTEM_CERTS"] == "1"
    assert uv_environment(PipSettings(), {"UV_SYSTEM_CERTS": "0"})["UV_SYSTEM_CERTS"] == "0"


def test_uvs_own_settings_win_over_pips_and_our_python_does_not_leak() -> None:
    environment = uv_environment(
        PipSettings(index_url="https://pip/", cert="/pip.pem"),
        {"UV_DEFAULT_INDEX": "https://uv/", "PYTHONPATH": "/x", "VIRTUAL_ENV": "/v", "SSL_CERT_FILE": "/system.pem"},
    )
    assert environment["UV_DEFAULT_INDEX"] == "https://uv/"
    assert environment["SSL_CERT_FILE"] == "/pip.pem"
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(environment)


def test_the_guilty_requirement_is_named(fake_uv: Path, site: Site) -> None:
    _answers(fake_uv, "echo 'Because idna==99 was not found and you require idna==99' >&2; exit 1")
    with pytest.raises(InvalidInput, match="requirement idna==99: cannot be installed") as caught:
        lock(site, Requirements(lines=("pandas>=2", "idna==99", "idna-tables")))
    assert caught.value.place == "requirement idna==99"

"""A setting has one value, from the strongest source, and an unknown one is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidemill.base.errors import InvalidInput
from tidemill.base.settings import SETTINGS, Settings, Source, load_settings


def _load(tmp_path: Path, **given: object) -> Settings:
    arguments: dict[str, object] = {"flags": {}, "environment": {}, "project_file": None, "home_folder": tmp_path}
    return load_settings(**{**arguments, **given})  # type: ignore[arg-type]  # the tests name a few of four arguments


def test_a_flag_beats_the_environment_the_project_the_home_and_the_default(tmp_path: Path) -> None:
    project = tmp_path / "tidemill.toml"
    sources: dict[Source, tuple[dict[str, object], int]] = {
        Source.DEFAULT: ({}, 8080),
        Source.HOME: ({}, 1),
        Source.PROJECT: ({"project_file": project}, 2),
        Source.ENVIRONMENT: ({"project_file": project, "environment": {"TIDEMILL_PORT": "3"}}, 3),
        Source.FLAG: ({"project_file": project, "environment": {"TIDEMILL_PORT": "3"}, "flags": {"port": 4}}, 4),
    }
    for source, (given, value) in sources.items():
        if source is Source.HOME:
            (tmp_path / "settings.toml").write_text("port = 1")
            project.write_text("[settings]\nport = 2")
        settings = _load(tmp_path, **given)
        assert settings.number("port") == value
        told = {each.setting.name: each.source for each in settings.explain()}
        assert told["port"] is source


def test_an_unknown_variable_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="TIDEMILL_PROT") as refused:
        _load(tmp_path, environment={"TIDEMILL_PROT": "1"})
    assert "'port'" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("port", "many"), ("port", "-1"), ("step_timeout_seconds", "0"), ("port", "1.5")]
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_variable(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"TIDEMILL_{name.upper()}: {name} must be"):
        _load(tmp_path, environment={f"TIDEMILL_{name.upper()}": value})


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("port = = 1")
    with pytest.raises(InvalidInput, match="not TOML"):
        _load(tmp_path)


def test_every_setting_says_what_it_means() -> None:
    assert all(setting.meaning.endswith(".") for setting in SETTINGS)

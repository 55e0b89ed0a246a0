"""Settings: one typed table; a flag beats an environment variable, the project, the home and the default."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tidemill.base.errors import InvalidInput


class Source(StrEnum):
    """Where a value came from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    PROJECT = "project"
    HOME = "home"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table: its name as in TOML, its type, default and meaning."""

    name: str
    kind: type[str] | type[int] | type[bool]
    default: str | int | bool
    meaning: str
    minimum: int | None = None
    maximum: int | None = None

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "TIDEMILL_" + self.name.upper()


_EXPLAIN = "tidemill config --explain says what each setting means"
SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="database_url",
        kind=str,
        default="",
        meaning="A PostgreSQL database; empty: SQLite in the home.",
    ),
    Setting(name="url", kind=str, default="", meaning="Address of the site to talk to; empty: the site of this home."),
    Setting(name="token", kind=str, default="", meaning="API token; empty: the local owner's."),
    Setting(name="bind", kind=str, default="127.0.0.1", meaning="Address that the public port listens on."),
    Setting(
        name="port",
        kind=int,
        default=8080,
        minimum=0,
        maximum=65_535,
        meaning="Public port; the next free one when it is busy.",
    ),
    Setting(
        name="allowed_hosts",
        kind=str,
        default="",
        meaning="Host names besides localhost and the bind address that requests may carry, separated by commas.",
    ),
    Setting(
        name="parallelism",
        kind=int,
        default=0,
        minimum=0,
        meaning="Steps that run at the same time; 0: as many as the machine has cores.",
    ),
    Setting(
        name="step_timeout_seconds",
        kind=int,
        default=86_400,
        minimum=1,
        meaning="Wall-clock limit of a step that names none, in seconds.",
    ),
    Setting(
        name="log_limit_bytes",
        kind=int,
        default=50_000_000,
        minimum=1_000,
        meaning="What is kept of one attempt's log, in bytes.",
    ),
    Setting(
        name="free_space_floor_bytes",
        kind=int,
        default=200_000_000,
        minimum=0,
        meaning="Below this much free space in the home no new run is taken, in bytes; the ballast is part of it.",
    ),
    Setting(
        name="upload_limit_bytes",
        kind=int,
        default=100_000_000_000,
        minimum=0,
        meaning="The largest file or folder of data that the site takes for a run, in bytes.",
    ),
    Setting(
        name="ballast_bytes",
        kind=int,
        default=33_554_432,
        minimum=0,
        meaning="Room that the home holds back and gives up on a full disk, in bytes; 0: none, else at least 16 MiB.",
    ),
    Setting(
        name="mlflow", kind=bool, default=True, meaning="Whether MLflow is at /mlflow, started by who asks for it."
    ),
    Setting(
        name="mlflow_mirror",
        kind=bool,
        default=False,
        meaning="Whether runs and models are shown in MLflow at once; else when somebody uses it.",
    ),
    Setting(
        name="mlflow_python",
        kind=str,
        default="",
        meaning="A Python that has MLflow installed; empty: an environment of the site's own, made at the first use.",
    ),
    Setting(
        name="health_disk_percent",
        kind=int,
        default=90,
        minimum=0,
        maximum=100,
        meaning="An alert when so much of the disk of the home is used, in percent; 0: never.",
    ),
    Setting(
        name="health_memory_percent",
        kind=int,
        default=95,
        minimum=0,
        maximum=100,
        meaning="An alert when so much of the machine's memory is used, in percent; 0: never.",
    ),
    Setting(
        name="health_restarts",
        kind=int,
        default=3,
        minimum=0,
        meaning="An alert when a process was started again so many times in ten minutes; 0: never.",
    ),
    Setting(
        name="health_clock_seconds",
        kind=int,
        default=60,
        minimum=0,
        meaning="An alert when the clock of the machine jumped so far, in seconds; 0: never.",
    ),
    Setting(
        name="health_minutes",
        kind=int,
        default=3,
        minimum=1,
        maximum=30,
        meaning="For how many minutes something must be wrong to raise an alert of health, or well to resolve it.",
    ),
    Setting(
        name="public_url",
        kind=str,
        default="",
        meaning="The address under which people reach the dashboard, for links in messages; empty: the site's own.",
    ),
    Setting(
        name="notify_emails",
        kind=str,
        default="",
        meaning="E-mail addresses that are told of everything in every namespace, separated by commas.",
    ),
    Setting(
        name="notify_webhooks",
        kind=str,
        default="",
        meaning="Addresses of webhooks that are told of everything in every namespace, separated by commas.",
    ),
    Setting(
        name="notify_per_minute",
        kind=int,
        default=6,
        minimum=1,
        meaning="How many messages an address gets in a minute at most; what comes beyond is told together.",
    ),
    Setting(
        name="notify_private_addresses",
        kind=bool,
        default=False,
        meaning="Whether webhooks may go to addresses of this machine and its networks.",
    ),
    Setting(
        name="webhook_secret",
        kind=str,
        default="",
        meaning="What webhooks are signed with (HMAC-SHA256, as Standard Webhooks has it); empty: not signed.",
    ),
    Setting(name="smtp_host", kind=str, default="", meaning="The mail server that takes the site's e-mail."),
    Setting(name="smtp_port", kind=int, default=587, minimum=1, maximum=65_535, meaning="Its port."),
    Setting(
        name="smtp_security",
        kind=str,
        default="starttls",
        meaning="How the line to it is encrypted: starttls, tls, or none, which is refused with a password.",
    ),
    Setting(name="smtp_user", kind=str, default="", meaning="Who signs in at the mail server; empty: nobody."),
    Setting(name="smtp_password", kind=str, default="", meaning="The password for it."),
    Setting(
        name="smtp_from",
        kind=str,
        default="",
        meaning="The sender of e-mail; empty: tidemill@ and the mail server's name.",
    ),
)

SECRETS = frozenset({"token", "database_url", "webhook_secret", "smtp_password", "notify_webhooks"})
"""Settings that are only said to be there; the address of a webhook may be a secret in itself."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}
_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
NOT_SETTINGS = frozenset(
    {"TIDEMILL_HOME", "TIDEMILL_RUN_ID", "TIDEMILL_TASK_ID", "TIDEMILL_ATTEMPT", "TIDEMILL_METRICS"}
)
"""Variables of ours that are no settings: the home names where settings are, the others are set for steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A setting's value and where it came from; `place` is a file or a variable."""

    setting: Setting
    value: str | int | bool
    source: Source
    place: str


class Settings:
    """The settings of one process, read once."""

    def __init__(self, values: Mapping[str, Explained]) -> None:
        self._values = dict(values)

    def text(self, name: str) -> str:
        """The value of a text setting."""
        return str(self._values[name].value)

    def number(self, name: str) -> int:
        """The value of a whole-number setting, in the unit that its name carries."""
        return int(self._values[name].value)

    def is_on(self, name: str) -> bool:
        """The value of a setting that is true or false."""
        return bool(self._values[name].value)

    def explain(self) -> list[Explained]:
        """Every setting with its value and source, in the table's order."""
        return [self._values[setting.name] for setting in SETTINGS]


def load_settings(
    *,
    flags: Mapping[str, str | int | bool | None],
    environment: Mapping[str, str],
    project_file: Path | None,
    home_folder: Path,
) -> Settings:
    """Read the settings; an unknown key or a value of the wrong type raises `InvalidInput` with its place."""
    layers: list[tuple[Source, str, Mapping[str, Any]]] = [
        (Source.FLAG, "command line", {key: value for key, value in flags.items() if value is not None}),
        (Source.ENVIRONMENT, "environment", _from_environment(environment)),
    ]
    if project_file is not None and project_file.exists():
        layers.append((Source.PROJECT, str(project_file), _table(project_file, "settings")))
    home_file = home_folder / "settings.toml"
    if home_file.exists():
        layers.append((Source.HOME, str(home_file), _table(home_file, None)))
    values: dict[str, Explained] = {}
    for setting in SETTINGS:
        values[setting.name] = _first(setting, layers)
    for source, place, layer in layers:
        _refuse_unknown(source, place, layer)
    return Settings(values)


def _first(setting: Setting, layers: list[tuple[Source, str, Mapping[str, Any]]]) -> Explained:
    for source, place, layer in layers:
        if setting.name in layer:
            where = setting.variable if source is Source.ENVIRONMENT else place
            value = _typed(setting, layer[setting.name], where)
            return Explained(setting=setting, value=value, source=source, place=where)
    return Explained(setting=setting, value=setting.default, source=Source.DEFAULT, place="default")


def _typed(setting: Setting, value: Any, place: str) -> str | int | bool:
    result: str | int | bool | None = None
    if setting.kind is str and isinstance(value, str):
        result = value
    elif setting.kind is int and not isinstance(value, bool):
        try:
            result = int(value)
        except (TypeError, ValueError):
            result = None
    elif setting.kind is bool:
        text = str(value).lower()
        result = True if text in _TRUE else False if text in _FALSE else None
    if result is None:
        raise InvalidInput(f"{setting.name} must be {_kind(setting)}, not {value!r}", place=place, remedy=_EXPLAIN)
    if setting.minimum is not None and isinstance(result, int) and result < setting.minimum:
        raise InvalidInput(
            f"{setting.name} must be at least {setting.minimum}, not {result}", place=place, remedy=_EXPLAIN
        )
    if setting.maximum is not None and isinstance(result, int) and result > setting.maximum:
        raise InvalidInput(
            f"{setting.name} must be at most {setting.maximum}, not {result}", place=place, remedy=_EXPLAIN
        )
    return result


def _kind(setting: Setting) -> str:
    return {str: "text", int: "a whole number", bool: "true or false"}[setting.kind]


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("TIDEMILL_").lower(): value
        for name, value in environment.items()
        if name.startswith("TIDEMILL_") and name not in NOT_SETTINGS and not name.startswith("TIDEMILL_PEER_")
    }


def _table(path: Path, section: str | None) -> Mapping[str, Any]:
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as problem:
        raise InvalidInput(f"not TOML: {problem}", place=str(path)) from problem
    table = document if section is None else document.get(section, {})
    if not isinstance(table, dict):
        raise InvalidInput(f"[{section}] must be a table", place=str(path))
    return table


def _refuse_unknown(source: Source, place: str, layer: Mapping[str, Any]) -> None:
    for name in layer:
        if name not in _BY_NAME:
            near = difflib.get_close_matches(name, _BY_NAME, n=1)
            shown = "TIDEMILL_" + name.upper() if source is Source.ENVIRONMENT else name
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InvalidInput(f"there is no setting {shown!r}", place=place, remedy=hint + "tidemill config --explain")

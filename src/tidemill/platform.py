"""The one place that reads settings and wires the slices, each on demand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from tidemill.base.ballast import Ballast
from tidemill.base.clock import SystemClock
from tidemill.base.home import Home, open_home
from tidemill.base.ids import Uuid7Ids
from tidemill.base.settings import Settings, load_settings

if TYPE_CHECKING:
    from tidemill.access import Actor
    from tidemill.base.site import Site
    from tidemill.data import WarmDvc
    from tidemill.engine import Worker
    from tidemill.figures import HealthLimits
    from tidemill.notify import NotifyOptions

PROJECT_FILE = "tidemill.toml"


class Platform:
    """A site in this process: its home, settings and slices, made when first asked for."""

    def __init__(self, *, home: Path | None = None, flags: Mapping[str, str | int | bool | None] | None = None) -> None:
        self.home_path = home_folder(home, os.environ).expanduser().absolute()
        self._flags = dict(flags or {})

    @cached_property
    def home(self) -> Home:
        """The home, made and checked."""
        return open_home(self.home_path)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once."""
        return load_settings(
            flags=self._flags,
            environment=os.environ,
            project_file=Path.cwd() / PROJECT_FILE,
            home_folder=self.home_path,
        )

    @cached_property
    def site(self) -> Site:
        """The site, its database brought up to date."""
        from tidemill.base.database import Database, sqlite_url  # SQLAlchemy: a command that asks a live site has none
        from tidemill.base.migrate import migrate
        from tidemill.base.site import Site

        clock = SystemClock()
        url = self.settings.text("database_url") or sqlite_url(self.home.database)
        ballast = Ballast(home=self.home)
        database = Database(url, ballast)
        migrate(database, self.home)
        ballast.keep(self.settings.number("ballast_bytes"))
        return Site(home=self.home, database=database, clock=clock, ids=Uuid7Ids(clock))

    @cached_property
    def actor(self) -> Actor:
        """Who acts in this process: the holder of the token setting, else the owner of the home."""
        from tidemill.access import authenticate, local_token

        return authenticate(self.site, self.settings.text("token") or local_token(self.site))

    def open_worker(self) -> Worker:
        """A worker of this process; close it."""
        from tidemill.engine import WorkerOptions, open_worker

        options = WorkerOptions(
            slots=self.settings.number("parallelism") or None,
            log_cap_bytes=self.settings.number("log_limit_bytes"),
            timeout_seconds=float(self.settings.number("step_timeout_seconds")),
        )
        return open_worker(self.site, options)

    @cached_property
    def notify_options(self) -> NotifyOptions:
        """How people are told; `InvalidInput` for an address in the settings that can never be told."""
        from tidemill.notify import NotifyOptions, parse_plan
        from tidemill.notify.plan import listed

        told = self.settings
        table = {"emails": listed(told.text("notify_emails")), "webhooks": listed(told.text("notify_webhooks"))}
        return NotifyOptions(
            plan=parse_plan(table, place="setting notify"),
            public_url=told.text("public_url"),
            messages_per_minute=told.number("notify_per_minute"),
            private_addresses=told.is_on("notify_private_addresses"),
            webhook_secret=told.text("webhook_secret"),
            smtp_host=told.text("smtp_host"),
            smtp_port=told.number("smtp_port"),
            smtp_security=told.text("smtp_security"),
            smtp_user=told.text("smtp_user"),
            smtp_password=told.text("smtp_password"),
            smtp_from=told.text("smtp_from"),
        )

    @cached_property
    def health_limits(self) -> HealthLimits:
        """From when on machine and processes are not well."""
        from tidemill.figures import HealthLimits

        names = ("disk_percent", "memory_percent", "restarts", "clock_seconds", "minutes")
        return HealthLimits(**{name: self.settings.number(f"health_{name}") for name in names})

    @cached_property
    def dvc(self) -> WarmDvc:
        """DVC in its own environment, started at the first call; close it at the end."""
        from tidemill.data import WarmDvc

        return WarmDvc(self.find_dvc, self.dvc_log)

    def find_dvc(self) -> Path:
        """The Python of DVC's environment, which is made where it is missing."""
        from tidemill.locks import ensure_tool

        return ensure_tool(self.site, "dvc").python

    def find_mlflow(self) -> Path:
        """The Python of MLflow's environment, which is made where it is missing."""
        from tidemill.locks import ensure_tool

        named = self.settings.text("mlflow_python")
        return Path(named) if named else ensure_tool(self.site, "mlflow").python

    @property
    def dvc_log(self) -> Path:
        """Where DVC's own messages go."""
        return self.home.logs / "dvc.log"


def home_folder(flag: Path | None, environment: Mapping[str, str]) -> Path:
    """Where the home is: `--home`, else `$TIDEMILL_HOME`, else the user data folder."""
    if flag is not None:
        return flag
    named = environment.get("TIDEMILL_HOME")
    return Path(named) if named else platformdirs.user_data_path("tidemill")

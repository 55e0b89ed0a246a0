"""The nouns of telling people."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Subject(StrEnum):
    """What people may want to be told of; the values are those of `events` in a project file."""

    ALERTS = "alerts"  # an alert was raised, or resolved
    REVIEWS = "reviews"  # a review has its checks passed and waits for people
    ROLLOUTS = "rollouts"  # a guard took a new revision back
    FIRINGS = "firings"  # what a trigger fired has failed, or was stopped
    DEAD_LETTERS = "dead_letters"  # something could not be told to the outside, and was given up
    TESTS = "tests"  # somebody asked for a test message; nobody can leave them out


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to tell: `notifier` says how (`mail`, `webhook`, a plug-in's name), `text` is for it alone."""

    notifier: str
    text: str

    @property
    def digest(self) -> str:
        """A name for it that may be shown: an address of a webhook may be a secret in itself."""
        return hashlib.sha256(f"{self.notifier}\n{self.text}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyPlan:
    """Who is told of what: the table `[notify]` of a project, or the settings of the site."""

    addresses: tuple[Address, ...] = ()
    subjects: tuple[Subject, ...] = tuple(Subject)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One address that is told of some subjects; of one project's and its service's where it names a project.

    All events until `told_until` have been told to it. `sent` messages went out since `minute_began`.
    """

    namespace_id: str
    project: str
    service: str
    address: Address
    subjects: tuple[Subject, ...]
    told_until: int
    minute_began: datetime
    sent: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that happened, in words for people: every text is plain, on one line and short.

    `number` is that of its event, `link` the page that shows it, "" where the site's address is not known.
    """

    number: int
    subject: Subject
    kind: str
    title: str
    facts: dict[str, str]
    link: str
    at: datetime

    def to_json(self) -> dict[str, Any]:
        """The notice as it is stored and sent."""
        return {**asdict(self), "subject": self.subject.value, "at": self.at.isoformat()}


def notice_from_json(stored: dict[str, Any]) -> Notice:
    """A notice as it was stored."""
    return Notice(
        **{**stored, "subject": Subject(stored["subject"]), "at": datetime.fromisoformat(stored["at"])},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent to one address at once: some notices, oldest first, and how many `more` there were.

    The same `key` is the same message, sent again.
    """

    key: str
    notices: tuple[Notice, ...]
    more: int = 0

    @property
    def title(self) -> str:
        """One line for all of it."""
        others = len(self.notices) + self.more - 1
        return self.notices[0].title + (f" (and {others} more)" if others else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifyOptions:
    """How the site tells people, from its settings; secrets are never shown."""

    plan: NotifyPlan = field(default_factory=NotifyPlan)
    public_url: str = ""
    messages_per_minute: int = 6
    webhook_secret: str = field(default="", repr=False)
    private_addresses: bool = False
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_from: str = ""

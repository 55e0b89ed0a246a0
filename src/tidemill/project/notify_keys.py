"""The keys of `[notify]`."""

from __future__ import annotations

from tidemill.project.key_kinds import Field, Kind, Table

NOTIFY = Table(
    doc="Who is told of what concerns this project. The site's settings may name others, who are told of everything.",
    keys={
        "emails": Field(kind=Kind.TEXTS, doc="E-mail addresses."),
        "webhooks": Field(kind=Kind.TEXTS, doc="Addresses that get a POST of JSON: https://HOST/PATH."),
        "others": Field(kind=Kind.TEXTS, doc="Addresses of notifiers that plug-ins bring, as NOTIFIER:ADDRESS."),
        "events": Field(
            kind=Kind.TEXTS,
            doc="What is told: alerts, reviews, rollouts, firings, dead_letters. Left out: all.",
            pattern="alerts|reviews|rollouts|firings|dead_letters",
            shape="alerts, reviews, rollouts, firings or dead_letters",
        ),
    },
)

"""The keys of `[service.rollout]`."""

from __future__ import annotations

from dataclasses import replace

from tidemill.project.key_kinds import Field, Kind, Table, text

ROLLOUT_STEPS = Field(
    kind=Kind.LIST,
    doc="Rising shares in percent, as [10, 50, 100]; a last one below 100 waits for a promote.",
    required=True,
)
ROLLOUT = Table(
    doc="How a new version gets its requests. Left out: all at once.",
    keys={
        "steps": ROLLOUT_STEPS,
        "hold_seconds": Field(kind=Kind.NUMBER, doc="How long each step is held. Left out: 60.", minimum=0),
        "hold_requests": Field(
            kind=Kind.WHOLE, doc="How many requests the new revision must answer in each step, too.", minimum=0
        ),
        "min_requests": Field(kind=Kind.WHOLE, doc="Fewer requests decide nothing. Left out: 20.", minimum=1),
        "max_error_rate": Field(
            kind=Kind.NUMBER, doc="The share of requests that it may fail (5xx). Left out: 0.01.", minimum=0
        ),
        "max_error_increase": Field(
            kind=Kind.NUMBER, doc="How much more of its requests it may fail than the stable revision.", minimum=0
        ),
        "max_refusal_increase": Field(
            kind=Kind.NUMBER,
            doc="How much more of its requests it may refuse (4xx) than the stable revision. Left out: 0.05.",
            minimum=0,
        ),
        "max_latency_ms": Field(kind=Kind.NUMBER, doc="The highest percentile of its answers' times.", minimum=0),
        "max_latency_ratio": Field(
            kind=Kind.NUMBER, doc="That percentile, against the stable revision's: 2 is twice as long.", minimum=1
        ),
        "latency_percentile": Field(kind=Kind.WHOLE, doc="50, 90, 95 or 99. Left out: 95.", minimum=0),
        "sticky_header": text("The header whose value keeps a caller with its revision. Left out: X-Tidemill-Key."),
    },
)
SPECIAL_ROLLOUT = replace(
    ROLLOUT,
    doc="What differs from [service.rollout].",
    keys={**ROLLOUT.keys, "steps": replace(ROLLOUT_STEPS, required=False)},
)

"""The policy of a review: what a candidate must reach, as data with a digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tidemill.base.canonical import digest_json
from tidemill.base.errors import InvalidInput

POLICY_SCHEMA_VERSION = 1
UNGATED_ENVIRONMENTS = frozenset({"development"})
MAX_APPROVALS = 20
METRICS = ("", "mae", "mse", "accuracy", "log_loss")
MUST = ("not be worse", "be better")
_FIELDS = {"thresholds", "hygiene", "smoke", "extra_checks", "approvals", "automatic", "outputs", "challenger", "leak"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A metric of the version and the closed interval that it must lie in; one of the bounds may be absent."""

    metric: str
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hygiene:
    """Which rows must be strangers: no evaluation row may stand among the training or the tuning rows.

    Each entry names a table of the run as `task.output`, or several side by side as `task.a + task.b`. `time` is the
    column by which no more than `max_older_share` of the evaluation rows may be older than the latest of the others,
    "" for a split that is not by time.
    """

    evaluation: tuple[str, ...]
    training: tuple[str, ...]
    tuning: tuple[str, ...] = ()
    max_overlap_rows: int = 0
    time: str = ""
    max_older_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeLimits:
    """Limits of the packaged model in a fresh process; a sample is predicted, latency is the median of one row."""

    max_latency_ms: float | None = None
    max_memory_mb: float | None = None
    relative_tolerance: float = 1e-6
    timeout_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """How a version is compared with the one that is live, on rows that neither has learnt from.

    `rows` and `target` name the evaluation rows and their true values, `metric` is "" for the one that fits. `margin`
    is how much larger the mean loss may be; `must` is "not be worse" (fails when surely worse) or "be better" (fails
    unless surely better). `incomparable` says what counts when the two cannot be compared, "fail" or "pass".
    """

    rows: str
    target: str
    metric: str = ""
    must: str = "not be worse"
    margin: float = 0.0
    min_rows: int = 20
    incomparable: str = "fail"
    slices: tuple[str, ...] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """What no single feature may say alone: the `target` of these `rows`.

    `limit` is how much of it one may tell (0 to 1), None for practically exactly; `allowed` are columns that may, each
    with the reason.
    """

    rows: str
    target: str
    limit: float | None = None
    allowed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutputs:
    """Which outputs of a run a version is made of, each as `task.output`; "" for the sample's profile."""

    model: str
    sample: str
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a review asks for: thresholds, clean rows, a smoke test, plug-in checks by name, and how many approvals.

    `automatic`: a version by a run of the approved pipeline version, made of `outputs`, passes without a person.
    """

    thresholds: tuple[Threshold, ...] = ()
    hygiene: Hygiene | None = None
    smoke: SmokeLimits = SmokeLimits()
    extra_checks: tuple[str, ...] = ()
    approvals: int = 1
    automatic: bool = False
    outputs: ModelOutputs | None = None
    challenger: Challenger | None = None
    leak: Leak | None = None

    def to_json(self) -> dict[str, Any]:
        """The policy as it is stored and digested; what came later and is not used is left out, so that digests of
        earlier policies stand."""
        told = {"schema_version": POLICY_SCHEMA_VERSION, **_plain(asdict(self))}
        if self.leak is None:
            del told["leak"]
        if self.hygiene is not None and not self.hygiene.time:
            del told["hygiene"]["time"], told["hygiene"]["max_older_share"]
        return told

    @property
    def digest(self) -> str:
        """The digest of the stored form."""
        return digest_json(self.to_json())


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPolicy:
    """A policy, and what says that it holds: `project fuel, generation 3`; "" for the one that a review brought.

    `project` is the project whose service it holds for, "" where no project was applied.
    """

    policy: Policy
    source: str = ""
    project: str = ""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


def check_policy(policy: Policy, *, environment: str) -> None:
    """Raise `InvalidInput` for a policy that says nothing sensible, or asks for no approval in a gated environment."""
    if not 0 <= policy.approvals <= MAX_APPROVALS:
        raise InvalidInput(f"a policy asks for 0 to {MAX_APPROVALS} approvals", place="approvals")
    if policy.approvals == 0 and environment not in UNGATED_ENVIRONMENTS:
        raise InvalidInput(
            f"a policy for {environment} needs at least one approval",
            place="approvals",
            remedy="only development may do without",
        )
    for number, threshold in enumerate(policy.thresholds):
        if threshold.min is None and threshold.max is None:
            raise InvalidInput(
                f"the threshold on {threshold.metric} has neither min nor max", place=f"thresholds[{number}]"
            )
    if policy.hygiene is not None and not (policy.hygiene.evaluation and policy.hygiene.training):
        raise InvalidInput("hygiene compares evaluation rows with training rows: name both", place="hygiene")
    if policy.hygiene is not None and not 0 <= policy.hygiene.max_older_share <= 1:
        raise InvalidInput("a share is from 0 to 1", place="hygiene.max_older_share")
    if policy.leak is not None and policy.leak.limit is not None and not 0 < policy.leak.limit <= 1:
        raise InvalidInput("a limit is above 0, and 1 at most", place="leak.limit")
    if policy.challenger is not None and policy.challenger.margin < 0:
        raise InvalidInput("a margin is 0 or more", place="challenger.margin")
    if policy.automatic and policy.outputs is None:
        raise InvalidInput(
            "a policy that lets versions pass without a person says which outputs they are made of",
            place="outputs",
            remedy="declare [model] in tidemill.toml",
        )


def parse_policy(data: dict[str, Any], *, place: str = "policy") -> Policy:
    """A policy from its JSON form; an unknown field or a wrong type raises `InvalidInput` with its place."""
    known = dict(data)
    version = known.pop("schema_version", POLICY_SCHEMA_VERSION)
    if version != POLICY_SCHEMA_VERSION:
        raise InvalidInput(f"schema version {version!r} is not known", place=place, remedy="upgrade tidemill")
    fields = _fields(known, _FIELDS, place)
    hygiene = fields.get("hygiene")
    return Policy(
        thresholds=tuple(
            _threshold(entry, f"{place}.thresholds[{number}]")
            for number, entry in enumerate(_list(fields.get("thresholds", []), f"{place}.thresholds"))
        ),
        hygiene=None if hygiene is None else _hygiene(hygiene, f"{place}.hygiene"),
        smoke=_smoke(fields.get("smoke", {}), f"{place}.smoke"),
        extra_checks=_texts(fields.get("extra_checks", []), f"{place}.extra_checks"),
        approvals=_whole(fields.get("approvals", 1), f"{place}.approvals"),
        automatic=_flag(fields.get("automatic", False), f"{place}.automatic"),
        outputs=_outputs(fields.get("outputs"), f"{place}.outputs"),
        challenger=_challenger(fields.get("challenger"), f"{place}.challenger"),
        leak=_leak(fields.get("leak"), f"{place}.leak"),
    )


def _leak(entry: Any, place: str) -> Leak | None:
    if entry is None:
        return None
    fields = _fields(entry, set(Leak.__slots__), place)
    allowed = {
        column: _reason(reason, f"{place}.allowed.{column[:80]}")
        for column, reason in _table(fields.get("allowed", {}), f"{place}.allowed").items()
    }
    limit = _number(fields.get("limit"), f"{place}.limit")
    return Leak(**_rows_and_target(fields, place), limit=limit, allowed=allowed)


def _rows_and_target(fields: dict[str, Any], place: str) -> dict[str, str]:
    tables = {name: _texts(fields.get(name, []), f"{place}.{name}") for name in ("rows", "target")}
    if any(len(each) != 1 for each in tables.values()):
        raise InvalidInput("names one table each for rows and target", place=place, remedy="write TASK.OUTPUT")
    return {name: each[0] for name, each in tables.items()}


def _reason(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput("gives the reason, as a text", place=place)
    return value


def _challenger(entry: Any, place: str) -> Challenger | None:
    if entry is None:
        return None
    fields = _fields(entry, set(Challenger.__slots__), place)
    default = Challenger(rows="", target="")
    words = {
        name: _choice(fields.get(name, getattr(default, name)), choices, f"{place}.{name}")
        for name, choices in (("metric", METRICS), ("must", MUST), ("incomparable", ("fail", "pass")))
    }
    margin = _number(fields.get("margin", default.margin), f"{place}.margin")
    return Challenger(
        **_rows_and_target(fields, place),
        **words,
        margin=default.margin if margin is None else margin,
        min_rows=max(1, _whole(fields.get("min_rows", default.min_rows), f"{place}.min_rows")),
        slices=_texts(fields.get("slices", []), f"{place}.slices"),
        seed=_whole(fields.get("seed", default.seed), f"{place}.seed"),
    )


def _choice(value: Any, choices: tuple[str, ...], place: str) -> str:
    if value not in choices:
        shown = ", ".join(repr(choice) for choice in choices if choice)
        raise InvalidInput(f"{str(value)[:80]!r} is not one of: {shown}", place=place)
    return str(value)


def _outputs(entry: Any, place: str) -> ModelOutputs | None:
    if entry is None:
        return None
    fields = _fields(entry, {"model", "sample", "profile"}, place)
    texts = {name: _texts(value, f"{place}.{name}") if value else ("",) for name, value in fields.items()}
    if any(len(each) != 1 for each in texts.values()) or not {"model", "sample"} <= set(texts):
        raise InvalidInput("names one output each for model and sample", place=place)
    return ModelOutputs(**{name: each[0] for name, each in texts.items()})


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput("must be true or false", place=place)
    return value


def _threshold(entry: Any, place: str) -> Threshold:
    fields = _fields(entry, {"metric", "min", "max"}, place)
    if not isinstance(fields.get("metric"), str):
        raise InvalidInput("names a metric", place=f"{place}.metric")
    return Threshold(
        metric=fields["metric"],
        min=_number(fields.get("min"), f"{place}.min"),
        max=_number(fields.get("max"), f"{place}.max"),
    )


def _hygiene(entry: Any, place: str) -> Hygiene:
    fields = _fields(entry, set(Hygiene.__slots__), place)
    time = fields.get("time", "")
    if not isinstance(time, str):
        raise InvalidInput("names a column", place=f"{place}.time")
    return Hygiene(
        evaluation=_texts(fields.get("evaluation", []), f"{place}.evaluation"),
        training=_texts(fields.get("training", []), f"{place}.training"),
        tuning=_texts(fields.get("tuning", []), f"{place}.tuning"),
        max_overlap_rows=_whole(fields.get("max_overlap_rows", 0), f"{place}.max_overlap_rows"),
        time=time,
        max_older_share=_number(fields.get("max_older_share"), f"{place}.max_older_share") or 0.0,
    )


def _smoke(entry: Any, place: str) -> SmokeLimits:
    fields = _fields(entry, {"max_latency_ms", "max_memory_mb", "relative_tolerance", "timeout_seconds"}, place)
    tolerance = _number(fields.get("relative_tolerance"), f"{place}.relative_tolerance")
    timeout = _number(fields.get("timeout_seconds"), f"{place}.timeout_seconds")
    return SmokeLimits(
        max_latency_ms=_number(fields.get("max_latency_ms"), f"{place}.max_latency_ms"),
        max_memory_mb=_number(fields.get("max_memory_mb"), f"{place}.max_memory_mb"),
        relative_tolerance=SmokeLimits().relative_tolerance if tolerance is None else tolerance,
        timeout_seconds=SmokeLimits().timeout_seconds if timeout is None else timeout,
    )


def _table(entry: Any, place: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise InvalidInput("must be a table", place=place)
    return entry


def _fields(entry: Any, known: set[str], place: str) -> dict[str, Any]:
    for name in _table(entry, place):
        if name not in known:
            raise InvalidInput(
                f"{name!r} is not a field of a policy",
                place=f"{place}.{name}",
                remedy="known: " + ", ".join(sorted(known)),
            )
    return _table(entry, place)


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise InvalidInput("must be a list", place=place)
    return list(value)


def _texts(value: Any, place: str) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else _list(value, place)
    if not all(isinstance(entry, str) and entry for entry in entries):
        raise InvalidInput("must be a list of names", place=place)
    return tuple(entries)


def _number(value: Any, place: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput("must be a number", place=place)
    return float(value)


def _whole(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput("must be a whole number, 0 or more", place=place)
    return value

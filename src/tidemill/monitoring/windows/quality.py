"""What is wrong with the values of one column of a window, measured against its reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidemill.monitoring.windows.plain_text import plain_text
from tidemill_runtime.reference_profile import MAX_CATEGORIES, category_of

MOST_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A share of the rows with something wrong in a column; `p_value` is its chance when all is as in the reference.

    `values` names some of the values that are wrong.
    """

    name: str
    share: float
    p_value: float
    values: tuple[str, ...] = ()


def problems_of(values: Sequence[Any], profile: Mapping[str, Any]) -> Iterator[Problem]:
    """Every problem of a column, however small its share."""
    known = [value for value in values if value is not None]
    missing = len(values) - len(known)
    if missing and not known and profile["count"] > profile["missing"]:
        yield Problem(name="vanished", share=1.0, p_value=_chance(missing, missing, _missing_share(profile)))
        return
    excess = missing / len(values) - profile["missing"] / max(1, profile["count"]) if values else 0.0
    if excess > 0:
        yield Problem(name="missing", share=excess, p_value=_chance(missing, len(values), _missing_share(profile)))
    if not known:
        return
    yield from _constant(known, profile)
    yield from (_out_of_range if profile["kind"] == "numeric" else _new_category)(known, profile)


def _constant(known: Sequence[Any], profile: Mapping[str, Any]) -> Iterator[Problem]:
    if any(value != known[0] for value in known):
        return
    numeric = profile["kind"] == "numeric"
    shares = list(Counter(profile["sketch"]).values()) if numeric else list(profile["counts"].values())
    total = sum(shares) if numeric else sum(shares) + profile["other"]
    if not shares or max(shares) == total:
        return  # it was constant in the reference, too
    chance = (max(shares) / total) ** (len(known) - 1)
    yield Problem(name="constant", share=1.0, p_value=chance, values=(_named(known[0]),))


def _out_of_range(known: Sequence[float], profile: Mapping[str, Any]) -> Iterator[Problem]:
    low, high = profile["min"], profile["max"]
    if low is None:
        return
    outside = [value for value in known if not low <= value <= high]
    if outside:
        # the next value of the same distribution is a new extreme with this chance
        chance = _chance(len(outside), len(known), 2 / (profile["count"] - profile["missing"] + 1))
        ends = tuple(map(_named, sorted({min(outside), max(outside)})))
        yield Problem(name="out-of-range", share=len(outside) / len(known), p_value=chance, values=ends)


def _new_category(known: Sequence[Any], profile: Mapping[str, Any]) -> Iterator[Problem]:
    counts: Mapping[str, int] = profile["counts"]
    if profile["other"] or len(counts) >= MAX_CATEGORIES:
        return  # the profile does not name all that there was
    new = Counter(name for value in known if (name := category_of(value)) not in counts)
    if new:
        rows = sum(new.values())
        # the share of what a sample has not seen is about that of what it saw once (Good and Turing, 1953)
        unseen = (sum(count == 1 for count in counts.values()) + 1) / (sum(counts.values()) + 2)
        named = tuple(plain_text(name) for name, _ in new.most_common(MOST_NAMED))
        yield Problem(
            name="new-category", share=rows / len(known), p_value=_chance(rows, len(known), unseen), values=named
        )


def _named(value: Any) -> str:
    return plain_text(f"{value:.6g}" if isinstance(value, float) else value)


def _missing_share(profile: Mapping[str, Any]) -> float:
    return float(profile["missing"] + 1) / float(profile["count"] + 2)


def _chance(count: int, rows: int, share: float) -> float:
    """The chance of `count` or more of `rows` when each has the chance `share`."""
    from scipy.stats import binom  # 0.7 s: only the process that computes windows pays

    return float(binom.sf(count - 1, rows, share))

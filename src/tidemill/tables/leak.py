"""Which single features all but say what the target is, measured on rows that are left out one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.clean import picked
from tidemill.tables.columns import Values, is_missing, values_of
from tidemill.tables.rows import read

MAX_ROWS = 10_000
MIN_ROWS = 20
NUMBERS_LIMIT = 0.999
LABELS_LIMIT = 0.95
MAX_LABELS = 20
ROWS_PER_LABEL = 5
SHOWN_FEATURES = 10
CHANCE = 1e-6
HIGH_BY_RANK = 0.98
_Z = 1.645  # the one-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How much a feature alone tells of the target: 0 nothing, 1 all; `least` is what is sure with these rows."""

    strength: float
    least: float
    is_copy: bool


def leaks(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The strongest of the `columns` of `rows` against `target`, each with whether it reaches the `limit`.

    Without a limit it is `NUMBERS_LIMIT` or `LABELS_LIMIT`. At most `MAX_ROWS` rows are drawn with the `seed`.
    """
    rows, target = read(asked["rows"]), read(asked["target"])
    if len(target.columns) != 1:
        raise InvalidInput(f"has {len(target.columns)} columns, a target has one", place=target.name)
    truth = target.table.column(0).to_pylist()
    if len(truth) != rows.rows:
        raise InvalidInput(f"has {len(truth)} values for {rows.rows} rows of {rows.name}", place=target.name)
    missing = [name for name in asked["columns"] if name not in rows.columns]
    if missing:
        raise InvalidInput(f"lacks {', '.join(missing)[:300]}, which the model takes", place=rows.name)
    known = [number for number, value in enumerate(truth) if not is_missing(value)]
    numbers = picked(known, MAX_ROWS, asked["seed"])
    wanted = values_of([truth[number] for number in numbers])
    kind = "labels" if is_labels(wanted) else "numbers"
    limit = asked["limit"] or (LABELS_LIMIT if kind == "labels" else NUMBERS_LIMIT)
    told: dict[str, Any] = {"rows": len(known), "target_values": wanted.distinct, "kind": kind, "limit": limit}
    features = []
    for name in asked["columns"] if wanted.distinct > 1 else []:
        values = values_of(rows.table.column(name).take(numbers).to_pylist())
        found = strength(values, wanted, of=len(asked["columns"]))
        is_leak = found.is_copy or (len(numbers) >= MIN_ROWS and found.least >= limit)
        features.append({"column": name, "strength": round(found.strength, 6), "leaks": is_leak})
    features.sort(key=lambda each: (not each["leaks"], -float(each["strength"])))
    told["leaks"] = [each["column"] for each in features if each["leaks"]]
    return {**told, "features": features[:SHOWN_FEATURES]}


def is_labels(target: Values) -> bool:
    """Whether a target is told apart rather than measured: no numbers, or a few whole ones."""
    if target.numbers is None:
        return True
    is_whole = bool((target.numbers == target.numbers.round()).all())
    return is_whole and target.distinct <= min(MAX_LABELS, len(target.codes) / ROWS_PER_LABEL)


def strength(feature: Values, target: Values, *, of: int = 1) -> Strength:
    """How well each row's target is told by the other rows with the same or the nearest values of the feature.

    Numbers: the share of the variation of the target's ranks that is told (of the rows where the feature is known, if
    those are half of them), so that neither outliers nor a monotone transformation matter. Labels: the share of a
    constant guess's errors that is avoided; `least` is its lower bound (Wilson's, 95 %), so that a few rows prove
    nothing. A copy says each value by one of its own, and not by chance, `of` so many features.
    """
    if is_labels(target):
        return _labels_told(feature, target, of)
    return _numbers_told(feature, target)


def _numbers_told(feature: Values, target: Values) -> Strength:
    shares = [_share_told(feature, target)]
    if feature.numbers is not None:
        import numpy

        is_known = ~numpy.isnan(feature.numbers)
        if MIN_ROWS <= is_known.sum() < len(is_known) <= 2 * is_known.sum():
            shares.append(_share_told(feature.only(is_known), target.only(is_known)))
    return Strength(strength=max(shares), least=max(shares), is_copy=_is_same(feature, target))


def _share_told(feature: Values, target: Values) -> float:
    """The share of the variation of the target's ranks that neighbours tell, or a correlation's square, if more.

    Spearman's; Pearson's where Spearman's is high, too: of a few rows one that changes places costs much of the former.
    """
    ranks = _ranks(target)
    mean = ranks.mean()
    variation = float(((ranks - mean) ** 2).sum())
    if not variation:
        return 0.0
    share = 1 - float(((ranks - _from_neighbours(feature, ranks)) ** 2).sum()) / variation
    if feature.numbers is not None:
        share = max(share, by_rank := _correlation(_ranks(feature), ranks))
        if by_rank >= HIGH_BY_RANK:
            share = max(share, _correlation(feature.numbers, target.numbers))
    return min(1.0, max(0.0, share))


def _correlation(one: Any, other: Any) -> float:
    """The square of Pearson's coefficient; 0 where it is not defined."""
    import numpy

    with numpy.errstate(invalid="ignore", over="ignore", divide="ignore"):
        a, b = one - one.mean(), other - other.mean()
        found = float((a * b).sum() ** 2 / ((a * a).sum() * (b * b).sum()))
    return found if math.isfinite(found) else 0.0


def _is_same(feature: Values, target: Values) -> bool:
    import numpy

    if feature.numbers is None or target.distinct < 3:
        return False
    return bool(numpy.allclose(feature.numbers, target.numbers, rtol=1e-9, atol=0))


def _ranks(values: Values) -> Any:
    """Ranks from 0, equal values sharing their mean rank."""
    import numpy

    counts = numpy.bincount(values.codes)
    return (numpy.cumsum(counts) - (counts + 1) / 2)[values.codes]


def _from_neighbours(feature: Values, ranks: Any) -> Any:
    """Each row's rank as the others tell it: those of the same value, else those of the values beside it."""
    import numpy

    sums, counts = numpy.bincount(feature.codes, weights=ranks), numpy.bincount(feature.codes)
    told = numpy.full(len(ranks), ranks.mean())
    own_sums, own_counts = sums[feature.codes], counts[feature.codes]
    shared = own_counts > 1
    told[shared] = ((own_sums - ranks) / numpy.maximum(own_counts - 1, 1))[shared]
    if feature.numbers is None:
        return told
    is_known = numpy.bincount(feature.codes, weights=numpy.isnan(feature.numbers)) == 0
    means = (sums / counts)[is_known]  # codes of numbers are in their order, missing is the last
    if len(means) >= 3:
        between = numpy.concatenate(
            [[2 * means[1] - means[2]], (means[:-2] + means[2:]) / 2, [2 * means[-2] - means[-3]]]
        )
        alone = ~shared & ~numpy.isnan(feature.numbers)
        told[alone] = between[feature.codes[alone]]
    return told


def _labels_told(feature: Values, target: Values, of: int) -> Strength:
    import numpy

    rows, labels = len(target.codes), numpy.bincount(target.codes)
    guessed_wrong = 1 - float(labels.max()) / rows
    wrong = float((_nearest_label(feature, target) != target.codes).mean())
    least_wrong = (wrong + _Z**2 / (2 * rows) + _Z * math.sqrt(wrong * (1 - wrong) / rows + (_Z / (2 * rows)) ** 2)) / (
        1 + _Z**2 / rows
    )
    pairs = numpy.unique(feature.codes.astype(numpy.int64) * target.distinct + target.codes)
    is_one_to_one = len(pairs) == target.distinct == feature.distinct
    ways = math.lgamma(rows + 1) - sum(math.lgamma(count + 1) for count in labels.tolist())
    return Strength(
        strength=max(0.0, 1 - wrong / guessed_wrong),
        least=max(0.0, 1 - least_wrong / guessed_wrong),
        is_copy=is_one_to_one and ways > math.log(of / CHANCE),
    )


def _nearest_label(feature: Values, target: Values) -> Any:
    """Each row's label as the others tell it: most of those of the same value, else most of the three nearest."""
    import numpy

    classes = target.distinct
    told = numpy.full(len(target.codes), numpy.bincount(target.codes).argmax())
    seen, place = numpy.unique(feature.codes * classes + target.codes, return_inverse=True)
    counts = numpy.bincount(feature.codes)
    table: Any = numpy.zeros((feature.distinct, classes), dtype=numpy.int32)
    table[seen // classes, seen % classes] = numpy.bincount(place.reshape(-1))
    others = table[feature.codes]
    others[numpy.arange(len(others)), target.codes] -= 1
    shared = counts[feature.codes] > 1
    told[shared] = others.argmax(axis=1)[shared]
    if feature.numbers is not None:
        alone = ~shared & ~numpy.isnan(feature.numbers)
        if len(told) > 4:
            told[alone] = _of_three(feature.numbers, target.codes)[alone]
    return told


def _of_three(numbers: Any, labels: Any) -> Any:
    """Most of the labels of the three rows that are nearest by their number; the nearest one's where all differ."""
    import numpy

    order = numpy.argsort(numbers, kind="stable")
    sorted_numbers, sorted_labels = numbers[order], labels[order]
    at = numpy.arange(len(order))[:, None] + numpy.array([-1, 1, -2, 2])
    inside = (at >= 0) & (at < len(order))
    at = at.clip(0, len(order) - 1)
    with numpy.errstate(invalid="ignore", over="ignore"):
        far = numpy.abs(sorted_numbers[at] - sorted_numbers[:, None])
    far = numpy.where(inside & ~numpy.isnan(far), far, numpy.inf)
    near = numpy.take_along_axis(sorted_labels[at], numpy.argsort(far, axis=1, kind="stable")[:, :3], axis=1)
    told = numpy.empty_like(labels)
    told[order] = numpy.where(near[:, 1] == near[:, 2], near[:, 1], near[:, 0])
    return told

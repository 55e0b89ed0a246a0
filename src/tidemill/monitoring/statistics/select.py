"""Which statistics are computed: the built-in ones and the plug-ins that the rules name."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points

from tidemill.base.errors import InvalidInput
from tidemill.monitoring.statistics.binned import ChiSquared, JensenShannon, PopulationStability
from tidemill.monitoring.statistics.contract import CATEGORICAL, ENTRY_POINTS, DriftStatistic
from tidemill.monitoring.statistics.numbers import KolmogorovSmirnov, Wasserstein

BUILT_IN: tuple[DriftStatistic, ...] = (
    PopulationStability(),
    JensenShannon(),
    Wasserstein(),
    KolmogorovSmirnov(),
    ChiSquared(),
)
_TESTS = {"numeric": "kolmogorov_smirnov", CATEGORICAL: "chi_squared"}


def significance_test(kind: str) -> str:
    """The name of the statistic whose p-value decides for columns of that kind."""
    return _TESTS[kind]


def find_statistics(names: Sequence[str]) -> tuple[DriftStatistic, ...]:
    """The built-in statistics and those of plug-ins by name; `InvalidInput` for one that is not installed."""
    found = {each.name: each for each in BUILT_IN}
    for name in names:
        if name in found:
            continue
        for entry in entry_points(group=ENTRY_POINTS, name=name):
            found[name] = entry.load()()
            break
        else:
            known = sorted({*found, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
            raise InvalidInput(
                f"there is no drift statistic {name[:80]!r}",
                place="monitor.drift",
                remedy=f"choose {', '.join(known)}, or install the package that brings it",
            )
    return tuple(found.values())

"""Whether a share of failures is credibly above a limit: a test that may be looked at after every request.

The test is an e-process: the likelihood of the counts under failure rates above the limit, averaged over a fixed grid
of rates, against the limit itself. Under any rate up to the limit its expectation never exceeds 1, so that by Ville's
inequality it passes 1/alpha with a probability of at most alpha, however often one looks, and however few requests
there are (Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

ALPHA = 0.005
"""How often, at most, a revision at its very limit is called worse than it."""

_FINEST, _POINTS = 1e-5, 48
_RATES = (*(_FINEST ** (1 - index / _POINTS) for index in range(_POINTS)), 1 - _FINEST)


def exceeds(failed: int, requests: int, limit: float, *, alpha: float = ALPHA) -> bool:
    """True when the true rate behind `failed` of `requests` is credibly above `limit`."""
    if failed <= requests * limit or limit >= 1:
        return False
    if limit <= 0:
        return True
    return _log_evidence(failed, requests, limit, [rate for rate in _RATES if rate > limit]) >= -math.log(alpha)


def highest_credible(failed: int, requests: int, *, alpha: float = ALPHA) -> float:
    """The rate that the true one behind `failed` of `requests` is credibly not above; 1 when nothing is known."""
    low, high = failed / requests if requests else 1.0, 1.0
    while high - low > _FINEST / 10:
        middle = (low + high) / 2
        if _log_evidence(failed, requests, middle, [rate for rate in _RATES if rate < middle]) >= -math.log(alpha):
            high = middle
        else:
            low = middle
    return high


def _log_evidence(failed: int, requests: int, limit: float, rates: Sequence[float]) -> float:
    """The logarithm of the average likelihood ratio of some rates; those of the grid left out count as nothing."""
    if not rates:
        return -math.inf
    passed = requests - failed
    at_limit = failed * math.log(limit) + passed * math.log1p(-limit)
    ratios = [failed * math.log(rate) + passed * math.log1p(-rate) - at_limit for rate in rates]
    highest = max(ratios)
    return highest + math.log(sum(math.exp(each - highest) for each in ratios) / len(_RATES))

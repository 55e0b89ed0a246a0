"""Makes the subscribers of the churn project: the same each time."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

ROWS, LATER_ROWS = 900, 600
SEED, LATER_SEED = 20, 21
Subscriber = dict[str, object]


@dataclass(frozen=True)
class Market:
    """Where subscribers come from, and what they find a usual fee."""

    regions: Sequence[str]
    usual_fee: float


HOME = Market(regions=("north", "süd", "east"), usual_fee=30)
WEST = Market(regions=("west",), usual_fee=45)
"""The provider goes west: everything costs more there, and nobody leaves because of that."""


def subscribers_csv() -> str:
    """Made-up subscribers with texts, numbers and a truth value, some gaps, some rows twice."""
    chance = random.Random(SEED)
    rows = [_subscriber(chance, number, HOME) for number in range(ROWS)]
    rows += chance.sample(rows, 12)
    return written(rows, header=True)


def later_subscribers() -> list[Subscriber]:
    """Those of the new market, in the order in which they come."""
    chance = random.Random(LATER_SEED)
    return [_subscriber(chance, ROWS + number, WEST) for number in range(LATER_ROWS)]


def written(rows: Sequence[Subscriber], *, header: bool) -> str:
    """Rows as lines of the data file."""
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _subscriber(chance: random.Random, number: int, market: Market) -> Subscriber:
    plan = chance.choices(["basic", "family", "fibre"], [5, 3, 2])[0]
    fee = round(chance.gauss(market.usual_fee, 8), 2)
    tenure = chance.randrange(72)
    calls = min(int(chance.expovariate(0.6)), 12)
    leaning = (plan == "basic") * 1.2 - tenure / 18 + calls * 0.9 + (fee - market.usual_fee) / 13
    uniform = chance.uniform(0.001, 0.999)
    leaves = leaning + 0.5 * math.log(uniform / (1 - uniform)) > 0.3
    return {
        "subscriber": f"s-{number:05d}",
        "plan": plan.upper() if chance.random() < 0.1 else plan,
        "region": chance.choice(market.regions),
        "paperless": chance.random() < 0.5,
        "monthly fee": "" if chance.random() < 0.05 else fee,
        "tenure_months": tenure,
        "support_calls": calls,
        "outcome": "left" if leaves else "stayed",
    }

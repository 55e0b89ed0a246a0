"""Makes the subscribers of the churn project: the same each time."""

from __future__ import annotations

import csv
import io
import math
import random

ROWS = 900
SEED = 20


def subscribers_csv() -> str:
    """Made-up subscribers with texts, numbers and a truth value, some gaps, some rows twice."""
    chance = random.Random(SEED)
    rows = [_subscriber(chance, number) for number in range(ROWS)]
    rows += chance.sample(rows, 12)
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _subscriber(chance: random.Random, number: int) -> dict[str, object]:
    plan = chance.choices(["basic", "family", "fibre"], [5, 3, 2])[0]
    fee = round(chance.gauss(30, 8), 2)
    tenure = chance.randrange(72)
    calls = min(int(chance.expovariate(0.6)), 12)
    leaning = (plan == "basic") * 1.2 - tenure / 18 + calls * 0.9 + (fee - 30) / 13
    uniform = chance.uniform(0.001, 0.999)
    leaves = leaning + 0.5 * math.log(uniform / (1 - uniform)) > 0.3
    return {
        "subscriber": f"s-{number:05d}",
        "plan": plan.upper() if chance.random() < 0.1 else plan,
        "region": chance.choice(["north", "süd", "east"]),
        "paperless": chance.random() < 0.5,
        "monthly fee": "" if chance.random() < 0.05 else fee,
        "tenure_months": tenure,
        "support_calls": calls,
        "outcome": "left" if leaves else "stayed",
    }

"""The eighth and ninth beat: what people say of predictions, and how machine, processes and services are."""

from __future__ import annotations

from collections import Counter

import httpx

from tidemill.base.errors import RunFailed
from tidemill.cli.demo.beat import Told
from tidemill.cli.demo.callers import callers_of
from tidemill.cli.demo.cars import later_cars
from tidemill.cli.demo.shell import Shell

PEOPLE = {"maya": 1, "noor": 2, "olaf": 5}
"""Who rates one answer each, from 1 (far off) to 5."""
GIB = 1 << 30


def feedback(shell: Shell, _port: int) -> Told:
    """Three people rate what they were answered, as the page of the service does it; the site counts."""
    _, others = later_cars(shell.folder)
    answers = callers_of(shell).ask_all(others[: len(PEOPLE)])
    for (person, rating), answer in zip(PEOPLE.items(), answers, strict=True):
        token = shell.tidemill("token", "create", "--person", person, "--role", "viewer").strip()
        said = {"prediction_id": answer.id, "rating": rating, "comment": f"measured: {answer.car.miles:g} mpg"}
        reply = httpx.post(
            f"{shell.url()}/api/v1/services/fuel/feedback",
            json=said,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        if reply.status_code != httpx.codes.CREATED:
            raise RunFailed(f"answered {reply.status_code}: {reply.text}", place="feedback")
    found = Counter(each["rating"] for each in shell.json("service", "feedback", "fuel"))
    if found != Counter(PEOPLE.values()):
        raise RunFailed(f"counted {dict(found)}", place="feedback")
    return Told(
        happened=(
            f"feedback: {', '.join(f'{person} gave {rating}' for person, rating in PEOPLE.items())} of 5; "
            f"{found.total()} counted, mean {sum(PEOPLE.values()) / len(PEOPLE):.1f}. None is ground truth: the rules "
            "do not say so"
        ),
        look="tidemill service feedback fuel; tidemill service page fuel",
        page="/monitoring/fuel",
    )


def health(shell: Shell, _port: int) -> Told:
    """Machine, processes and the service, measured now."""
    figures = shell.json("figures")
    machine, processes = figures["machine"], figures["processes"]
    (service,) = figures["services"]
    memory = sum(each["memory_bytes"] for each in processes)
    restarts = sum(each["restarts"] for each in processes)
    if not machine["cores"] or not processes or not service["requests"]:
        raise RunFailed("something was not measured", place="tidemill figures")
    return Told(
        happened=(
            f"health: {machine['cores']} cores {machine['cpu_percent']:.0f} % busy, "
            f"{machine['disk_free_bytes'] / GIB:.0f} GiB of disk free; {len(processes)} processes, "
            f"{memory >> 20} MiB together, {restarts} restarts; fuel: {service['requests']} requests, "
            f"{service['failed']} failed, 95 % within {service['p95_ms']:g} ms"
        ),
        look="tidemill figures; tidemill status; tidemill doctor",
        page="/health",
    )

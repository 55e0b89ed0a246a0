"""`tidemill figures`: what the site and its machine use now."""

from __future__ import annotations

import typer

from tidemill.cli.context import JsonOption, context_of
from tidemill.cli.output import note, print_json, print_table

GIB, MIB = 2**30, 2**20


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command tree."""
    app.command()(figures)


def figures(command: typer.Context, as_json: JsonOption = False) -> None:
    """Show what the processes of the site, its services and the machine use now.

    Examples: tidemill figures; tidemill figures --json
    """
    told = context_of(command).connection.get("/figures")
    if as_json:
        print_json(told)
        return
    rows = [
        (each["name"], each["state"], f"{each['cpu_percent']:.1f}", _mib(each["memory_bytes"]), each["restarts"])
        for each in told["processes"]
    ]
    print_table(["PROCESS", "STATE", "CPU %", "MIB", "RESTARTS"], rows, empty="No site is up")
    for each in told["services"]:
        note(f"service {each['service']}: {each['predictors']} predictors, {_mib(each['memory_bytes'])} MiB")
    machine = told["machine"]
    note(
        f"machine: {machine['cpu_percent']:.0f} % of {machine['cores']} cores, "
        f"{machine['memory_available_bytes'] / GIB:.1f} of {machine['memory_total_bytes'] / GIB:.1f} GiB memory free, "
        f"{machine['disk_free_bytes'] / GIB:.1f} of {machine['disk_total_bytes'] / GIB:.1f} GiB disk free"
    )


def _mib(size: int) -> str:
    return f"{size / MIB:.0f}"

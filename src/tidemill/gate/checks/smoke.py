"""The check that the packaged model loads and answers as recorded, in a fresh process of its own lock."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tidemill.artifacts import materialize
from tidemill.gate.checks.contract import CheckContext
from tidemill.gate.model import CheckResult, CheckState
from tidemill.gate.policy import SmokeLimits
from tidemill.locks import run_module
from tidemill.registry import package_content, version_venv


class SmokeCheck:
    """A fresh process loads the package with its digests, predicts the recorded sample, within the limits."""

    @property
    def name(self) -> str:
        return "smoke"

    def run(self, context: CheckContext) -> CheckResult:
        site, version, limits = context.site, context.version, context.policy.smoke
        venv = version_venv(site, version)
        with tempfile.TemporaryDirectory(dir=site.home.work, prefix="smoke-") as folder:
            package = Path(folder) / "package"
            materialize(site, package_content(site, version), package)
            reply = run_module(
                venv,
                "tidemill_runtime.smoke",
                {
                    "schema_version": 1,
                    "package": str(package),
                    "relative_tolerance": limits.relative_tolerance,
                    # this platform made the file, and the tree's digest, which names it, was checked just now
                    "allow_pickle": True,
                },
                timeout_seconds=limits.timeout_seconds,
                log=site.home.logs / "reviews" / f"smoke-{version.id}.log",
            )
        return judge(reply, limits)


def judge(reply: dict[str, Any], limits: SmokeLimits) -> CheckResult:
    """What a smoke test's reply means under the limits."""
    faults = [str(fault) for fault in reply["faults"]]
    latency, memory = float(reply["latency_ms_p50"]), float(reply["peak_memory_mb"])
    if limits.max_latency_ms is not None and latency > limits.max_latency_ms:
        faults.append(f"one row takes {latency:.3g} ms, the limit is {limits.max_latency_ms:g} ms")
    if limits.max_memory_mb is not None and memory > limits.max_memory_mb:
        faults.append(f"the process took {memory:.0f} MB, the limit is {limits.max_memory_mb:g} MB")
    evidence = {**reply, "max_latency_ms": limits.max_latency_ms, "max_memory_mb": limits.max_memory_mb}
    if faults:
        return CheckResult(state=CheckState.FAILED, summary="; ".join(faults), evidence=evidence)
    summary = (
        f"{reply['rows']} recorded rows answered alike; loaded in {float(reply['load_seconds']):.2f} s, "
        f"{latency:.3g} ms a row, {memory:.0f} MB"
    )
    return CheckResult(state=CheckState.PASSED, summary=summary, evidence=evidence)

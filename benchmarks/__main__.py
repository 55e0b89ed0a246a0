"""Every benchmark beside its peer, one after the other: `python -m benchmarks [engine|serving]`."""

from __future__ import annotations

import subprocess
import sys

SUITES = ("engine", "serving")


def main(wanted: list[str]) -> int:
    """Run the named suites, or all; the exit status is that of the worst."""
    unknown = [name for name in wanted if name not in SUITES]
    if unknown:
        print(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(SUITES)}")
        return 2
    worst = 0
    for name in wanted or SUITES:
        worst = max(worst, subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

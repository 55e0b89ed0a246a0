"""The serving benchmarks: `python -m benchmarks.serving`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

# the load generator and the servers are programs of their own, found beside the script
sys.argv[0] = str(Path(__file__).with_name("predictor.py"))
runpy.run_path(sys.argv[0], run_name="__main__")

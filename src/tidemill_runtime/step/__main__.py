"""The command line of the step executor, as a step's container runs it."""

from __future__ import annotations

import sys

from tidemill_runtime.step.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tidemill_runtime.predict '<JSON argument>'`."""

from __future__ import annotations

import sys

from tidemill_runtime.predict.main import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.read()))

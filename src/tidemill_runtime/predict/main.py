"""Starts a predictor from its JSON argument; imports the server's libraries only once it knows where they are."""

from __future__ import annotations

import sys

from tidemill_runtime.predict.argument import BadArgument, parse_argument

EXIT_BAD_ARGUMENT = 2


def serve(text: str) -> int:
    """Serve as the JSON argument says until SIGTERM; returns the exit status. A fault is told on stderr."""
    try:
        argument = parse_argument(text)
    except BadArgument as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_BAD_ARGUMENT
    sys.path.extend(argument.late_paths)
    from tidemill_runtime.predict.server import serve_argument  # orjson and uvicorn may lie in a late path

    return serve_argument(argument)

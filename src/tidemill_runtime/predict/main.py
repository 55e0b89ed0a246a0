"""Starts a predictor from its JSON argument; imports the server's libraries only once it knows where they are."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict

from tidemill_runtime.predict.argument import BadArgument, parse_argument

EXIT_BAD_ARGUMENT = 2


def serve(text: str) -> int:
    """Serve as the JSON argument says until SIGTERM; returns the exit status. A fault is told on stderr."""
    try:
        argument = parse_argument(text)
    except BadArgument as problem:
        sys.stderr.write(f"{problem}\n")
        return EXIT_BAD_ARGUMENT
    sys.path.extend(path for path in argument.late_paths if path not in sys.path)
    from tidemill_runtime.predict.server import serve_argument  # orjson and uvicorn may lie in a late path

    return serve_argument(argument)


def serve_forked(argument: Dict[str, Any], descriptors: Dict[str, int]) -> int:
    """`serve` as a zygote's child: the listening socket and the lifeline come as descriptors of these names."""
    os.dup2(descriptors["lifeline"], 0)
    os.close(descriptors["lifeline"])
    return serve(json.dumps({**argument, "fd": descriptors["listener"], "lifeline": True}))

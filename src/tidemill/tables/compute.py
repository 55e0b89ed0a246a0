"""The process that answers questions about tables: `python -m tidemill.tables.compute`, JSON in and out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tidemill.base.errors import InvalidInput
from tidemill.tables.clean import clean_rows
from tidemill.tables.compared import compare_answers
from tidemill.tables.leak import leaks
from tidemill.tables.overlap import overlap
from tidemill.tables.preview import preview
from tidemill.tables.time_split import older_rows

QUESTIONS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "overlap": overlap,
    "clean": clean_rows,
    "compare": compare_answers,
    "older": older_rows,
    "leaks": leaks,
    "preview": preview,
}


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one question; what cannot be used stands in `refused`."""
    try:
        return QUESTIONS[asked["question"]](asked)
    except InvalidInput as problem:
        return {"refused": problem.to_json()}


def main() -> None:
    """A question on standard input, its answer on standard output."""
    json.dump(answer(json.load(sys.stdin)), sys.stdout, allow_nan=False)


if __name__ == "__main__":
    main()

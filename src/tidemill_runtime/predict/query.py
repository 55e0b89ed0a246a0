"""A prediction request after parsing, whatever its protocol."""

from __future__ import annotations

from typing import Any, Optional, Tuple


class Query:
    """Rows in signature order (lists, or a 2-D array), how many, and what the reply and the log need."""

    __slots__ = ("binary_outputs", "client_id", "count", "logged", "outputs", "rows")

    def __init__(
        self,
        rows: Any,
        count: int,
        logged: Any,
        *,
        client_id: Optional[str] = None,
        outputs: Tuple[str, ...] = (),
        binary_outputs: Tuple[str, ...] = (),
    ) -> None:
        self.rows = rows
        self.count = count
        self.logged = logged
        self.client_id = client_id
        self.outputs = outputs
        self.binary_outputs = binary_outputs

"""The errors a user can meet: what was wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class TidemillError(Exception):
    """An error with a remedy; each subclass has one HTTP status and one exit status.

    `message` says what was wrong, `place` where (file, cell, line, field), `remedy` what to do.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, place: str | None = None, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text}\n  → {self.remedy}" if self.remedy else text

    def to_json(self) -> dict[str, str | None]:
        """The error as the API sends it."""
        return {"error": self.code, "message": self.message, "place": self.place, "remedy": self.remedy}


class InvalidInput(TidemillError):
    """What the user gave cannot be used: a file, an option, a field."""

    code, http_status, exit_status = "invalid_input", 400, 2


class Unauthenticated(TidemillError):
    """No token, or one that is not known here."""

    code, http_status, exit_status = "unauthenticated", 401, 4


class Forbidden(TidemillError):
    """The person is known and may not do this."""

    code, http_status, exit_status = "forbidden", 403, 4


class NotFound(TidemillError):
    """Nothing of that name or id in this namespace."""

    code, http_status, exit_status = "not_found", 404, 3


class Conflict(TidemillError):
    """The state does not allow it: exists already, changed meanwhile, an illegal transition."""

    code, http_status, exit_status = "conflict", 409, 5


class StillAtWork(Conflict):
    """The very same request came before and has no answer yet."""

    code = "still_at_work"


class TooLarge(TidemillError):
    """More bytes than the limit that the message names."""

    code, http_status, exit_status = "too_large", 413, 2


class TooManyRequests(TidemillError):
    """More requests than one person may send in a while."""

    code, http_status, exit_status = "too_many_requests", 429, 6


class RunFailed(TidemillError):
    """A run or a program of the user ended in failure."""

    code, http_status, exit_status = "run_failed", 422, 1


class Unavailable(TidemillError):
    """A part that is needed does not answer now; trying again may help."""

    code, http_status, exit_status = "unavailable", 503, 6


class StorageFull(TidemillError):
    """The disk of the home has no room left."""

    code, http_status, exit_status = "storage_full", 507, 7


_BY_CODE: dict[str, type[TidemillError]] = {
    error.code: error
    for error in (
        InvalidInput,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        StillAtWork,
        TooLarge,
        TooManyRequests,
        RunFailed,
        Unavailable,
        StorageFull,
    )
}


def error_from_json(told: Mapping[str, Any]) -> TidemillError:
    """The error that another process told with `to_json`; `KeyError` when it is none."""
    kind = _BY_CODE.get(told["error"], TidemillError)
    return kind(str(told["message"]), place=told.get("place"), remedy=told.get("remedy"))

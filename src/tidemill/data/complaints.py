"""DVC's complaints as our errors."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from tidemill.base.errors import Conflict, InvalidInput, NotFound, RunFailed, StorageFull, TidemillError, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MISSING = "do not exist neither locally nor on remote"

# the name of a class of DVC's → our error and its remedy; the first that fits
_KNOWN: tuple[tuple[str, type[TidemillError], str], ...] = (
    ("OutputAlreadyTrackedError", InvalidInput, "git rm -r --cached FILE, commit that, and add it again"),
    ("OutputDoesNotExistError", NotFound, "name a file or folder that exists"),
    ("OutputIsNotFileOrDirError", InvalidInput, "name a file or folder"),
    ("OutputIsIgnoredError", InvalidInput, "take its pattern out of .dvcignore"),
    ("OutputIsStageFileError", InvalidInput, "name the data, not its .dvc file"),
    ("OverlappingOutputPathsError", InvalidInput, "version either the folder or the file in it"),
    ("FileIsGitIgnored", InvalidInput, "take its pattern out of .gitignore: the .dvc file belongs into git"),
    ("CheckoutError", NotFound, "somebody who has the data must push it: tidemill data push"),
    ("FileMissingError", NotFound, "somebody who has the data must push it: tidemill data push"),
    ("CollectCacheError", NotFound, "somebody who has the data must push it: tidemill data push"),
    (
        "ConfirmRemoveError",
        Conflict,
        "tidemill data add FILE keeps it as a version; tidemill data pull --force drops it",
    ),
    ("NoRemoteError", InvalidInput, "set a default remote: dvc remote add -d storage ADDRESS"),
    ("RemoteConfigError", InvalidInput, "correct the remote: dvc remote modify"),
    ("AuthError", Unavailable, "check the credentials of the remote"),
    ("LockError", Conflict, "wait until the other DVC command in this folder has ended"),
    ("ConfigError", InvalidInput, "correct .dvc/config"),
    ("YAMLSyntaxError", InvalidInput, "correct the file, or take it from git"),
    ("YAMLValidationError", InvalidInput, "correct the file, or take it from git"),
    ("FileTransferError", Unavailable, "check that the remote can be reached, then try again"),
    ("ConnectionError", Unavailable, "check that the remote can be reached, then try again"),
    ("TimeoutError", Unavailable, "check that the remote can be reached, then try again"),
    ("PermissionError", InvalidInput, "check who owns the files"),
)


def raise_error(chain: Sequence[dict[str, Any]], warnings: Sequence[dict[str, Any]], root: Path) -> NoReturn:
    """Raise our error for an exception of DVC's and its causes, outermost first, and what DVC warned of before."""
    message = "\n".join([chain[0]["message"] or chain[0]["kinds"][0], *(one["message"] for one in warnings[:3])])
    place = str(root)
    if any(one["errno"] in _FULL for one in (*chain, *warnings)):
        raise StorageFull(message, place=place, remedy="free some space, then try again")
    if "unsaved files" in message:
        raise Conflict(message.split(" Use `")[0], place=place, remedy=_remedy("ConfirmRemoveError"))
    for link in chain:
        for name, error, remedy in _KNOWN:
            if name in link["kinds"]:
                raise error(message, place=place, remedy=remedy)
    raise RunFailed(f"DVC failed: {message}", place=place, remedy="dvc doctor says more of the set-up")


def raise_warnings(warnings: Sequence[dict[str, Any]], root: Path) -> None:
    """Raise where DVC only warns though content is missing: a push that leaves files behind has failed."""
    for warning in warnings:
        if _MISSING in warning["message"]:
            raise NotFound(
                warning["message"], place=str(root), remedy="pull the data first, or add it again: tidemill data add"
            )


def _remedy(name: str) -> str:
    return next(remedy for known, _, remedy in _KNOWN if known == name)

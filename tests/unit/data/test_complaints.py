from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from tidemill.base.errors import Conflict, InvalidInput, NotFound, RunFailed, StorageFull, TidemillError, Unavailable
from tidemill.data.complaints import raise_error, raise_warnings

ROOT = Path("/project")


def _link(kind: str, message: str = "why", number: int | None = None) -> dict[str, Any]:
    return {"kinds": [kind, "DvcException", "Exception"], "message": message, "errno": number}


def _warning(message: str, number: int | None = None) -> dict[str, Any]:
    return {"message": message, "errno": number}


@pytest.mark.parametrize(
    ("chain", "error"),
    [
        ([_link("OutputAlreadyTrackedError")], InvalidInput),
        ([_link("NoRemoteError")], InvalidInput),
        ([_link("CheckoutError")], NotFound),
        (
            [_link("DvcException", "Can't remove the following unsaved files without confirmation. Use `--force`")],
            Conflict,
        ),
        ([_link("LockError")], Conflict),
        ([_link("DvcException"), _link("ConnectionError")], Unavailable),
        ([_link("UploadError"), _link("OSError", number=errno.ENOSPC)], StorageFull),
        ([_link("SomethingNew")], RunFailed),
    ],
)
def test_each_complaint_becomes_our_error_with_place_and_remedy(
    chain: list[dict[str, Any]], error: type[TidemillError]
) -> None:
    with pytest.raises(error) as caught:
        raise_error(chain, [], ROOT)
    assert type(caught.value) is error
    assert caught.value.place == "/project"
    assert caught.value.remedy


def test_a_push_that_leaves_files_behind_is_an_error_though_dvc_only_warns() -> None:
    with pytest.raises(NotFound, match="neither locally nor on remote"):
        raise_warnings([_warning("Some of the cache files do not exist neither locally nor on remote.")], ROOT)
    raise_warnings([_warning("something else")], ROOT)


def test_a_full_disk_that_dvc_only_warns_of_is_storage_full() -> None:
    with pytest.raises(StorageFull, match="failed to transfer"):
        raise_error([_link("UploadError")], [_warning("failed to transfer", errno.ENOSPC)], ROOT)

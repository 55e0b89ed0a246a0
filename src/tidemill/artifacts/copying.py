"""Copying a file: a reflink where the file system has one, else a copy in the kernel."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

FICLONE = 0x40049409
"""ioctl_ficlone(2): share the blocks of a file until one side writes."""
_NOT_HERE = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTTY, errno.EPERM}


def copy_file(source: Path, target: Path, *, mode: int) -> None:
    """A private copy at `target`, which must not exist yet; raises OSError."""
    with open(source, "rb") as reader:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as writer:
            if not _reflink(reader.fileno(), writer.fileno()) and not _copy_in_kernel(reader.fileno(), writer.fileno()):
                shutil.copyfileobj(reader, writer, 1 << 20)


def _reflink(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as problem:
        if problem.errno in _NOT_HERE:
            return False
        raise
    return True


def _copy_in_kernel(source: int, target: int) -> bool:
    """True when everything was copied; False when nothing was and this way is not to be had."""
    if not hasattr(os, "copy_file_range"):
        return False
    left = os.fstat(source).st_size
    copied_any = False
    while left > 0:
        try:
            count = os.copy_file_range(source, target, min(left, 1 << 30))
        except OSError as problem:
            if problem.errno in _NOT_HERE and not copied_any:
                return False
            raise
        if count == 0:
            break
        copied_any = True
        left -= count
    return True

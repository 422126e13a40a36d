"""Owns dropping privileges: root changes what is in a user's directory with the rights of that user alone.

SQLite resolves names itself, so a user who puts a link there after a check could redirect it. With that user's rights the
link can only lead to what the user may change anyway.
"""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError

_VERSION: Final = 0x20080522
"""Of the kernel's structure of capabilities."""
_READ_SEARCH: Final = 1 << 2
"""CAP_DAC_READ_SEARCH: to pass every directory, and to read; nothing that changes a file."""


@contextmanager
def as_owner_of(directory: Path) -> Iterator[None]:
    """Let root act with the rights of the directory's owner while the context lasts; nothing for other users.

    Root may still pass the directories above it: /var/lib/private is root's alone. It counts for every thread, and threads
    begun within. Raises `StorageError` if root may not act as that user.
    """
    try:
        owner = directory.stat()
    except OSError as error:
        raise StorageError(f"{directory}: cannot be opened: {error.strerror}") from error
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([owner.st_gid])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    except OSError as error:
        raise StorageError(
            f"{directory}: belongs to user {owner.st_uid}, and root may not act as that user here: {error.strerror}; "
            "run the command as that user"
        ) from error
    try:
        if not os.access(directory, os.X_OK, effective_ids=True):
            _allow(_READ_SEARCH)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


@contextmanager
def as_at_start() -> Iterator[None]:
    """Within `as_owner_of`, act as root again while the context lasts: to open what root alone may read."""
    user = os.geteuid()
    if os.getuid() == user or os.getuid() != 0:
        yield
        return
    allowed = _capabilities()[0]
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(user)
        if allowed:
            _allow(allowed)


def _capabilities() -> ctypes.Array[ctypes.c_uint32]:
    """The thread's first 32: effective, permitted, inheritable; then those of the others."""
    found = (ctypes.c_uint32 * 6)()
    ctypes.CDLL(None).capget(_header(), found)
    return found


def _allow(capability: int) -> None:
    """Let the thread use the capability where it is permitted; where it is not, opening a file reports it."""
    wanted = _capabilities()
    wanted[0] |= capability & wanted[1]
    ctypes.CDLL(None).capset(_header(), wanted)


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_VERSION, 0)

"""Owns the lock that lets one process alone write to a database file, ever."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker.core.ports import StorageError


class InUseError(StorageError):
    """Another process has the database."""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold `DATABASE.lock` while the context lasts; raises `InUseError` naming the process that holds it.

    The kernel drops the lock with the process, so one that was killed leaves nothing to clean up. `database` is the file's
    real path: a name that is a symbolic link would have a lock of its own.
    """
    path = database.with_name(database.name + ".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        give_to_owner_of(database.parent, descriptor)
        _take(descriptor, database)
        yield
    finally:
        os.close(descriptor)


def give_to_owner_of(like: Path, made: int | Path) -> None:
    """Let what root makes belong to whom `like` belongs to: a service that is not root has to open it. SQLite does the same."""
    if os.geteuid() == 0:
        status = like.stat()
        os.chown(made, status.st_uid, status.st_gid)


def _take(descriptor: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise InUseError(f"{database}: in use by another batch-tracker, process {holder}") from error
    except OSError as error:
        raise StorageError(f"{database}: cannot be locked: {error.strerror}") from error

"""Owns the lock that lets only one process write to a database file."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import InUseError, StorageError
from tracker.store.sqlite.files.atomic_file import COMPANIONS
from tracker.store.sqlite.files.ownership import check_companions, open_checked, open_or_create

_LOCKS: Final = Path("/proc/locks")
"""Linux's list: number, FLOCK, ADVISORY, WRITE, the process, the file as major:minor:inode, from, to."""


@contextmanager
def hold_lock_file(database: Path) -> Iterator[None]:
    """Hold `DATABASE.lock` while the context lasts; raises `InUseError` naming the process that holds it.

    The kernel drops the lock with the process, so one that was killed leaves nothing to clean up. `database` is the file's
    real path: a name that is a symbolic link would have a lock of its own.
    """
    path = database.with_name(database.name + ".lock")
    try:
        descriptor = open_or_create(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    try:
        _lock_and_write_process(descriptor, database)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def hold_database_file(database: Path) -> Iterator[None]:
    """Hold the database file itself while the context lasts, if there is one; raises `InUseError` as `hold_lock_file` does.

    Raises `StorageError` if it, or what SQLite keeps next to it, may be the work of another user; see `ownership`.

    A process that uses a hard link to the file, or comes after its lock file was deleted, finds `DATABASE.lock` free.
    Nothing in the process may have the database open when the context ends: closing a file ends SQLite's locks on it, too.
    """
    check_companions(database, ("", *COMPANIONS))
    try:
        descriptor = open_checked(database, os.O_RDONLY)
    except OSError:  # opening it with SQLite says why
        descriptor = -1
    try:
        if descriptor >= 0:
            _lock(descriptor, database)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def is_in_use(database: Path) -> bool:
    """Whether a process has the database, by the system's list of locks; without one, by the lock file's process.

    Nothing is opened that SQLite or `hold_lock_file` would notice. On btrfs and overlayfs, where the list has
    other device numbers, the process and the inode decide.
    """
    try:
        status = database.stat()
    except OSError:
        return False
    holder = _process_in(database.with_name(database.name + ".lock"))
    try:
        locks = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return _process_exists(holder)
    return any(
        words[1] == "FLOCK"
        and (words[5] == _lock_list_name(status) or (words[4] == holder and words[5].endswith(f":{status.st_ino}")))
        for words in locks
    )


def _lock_and_write_process(descriptor: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        raise _in_use(database, os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()) from error
    except OSError as error:
        raise StorageError(f"{database}: cannot be locked: {error.strerror}") from error


def _lock(descriptor: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _in_use(database, _holder(descriptor)) from error
    except OSError as error:
        raise StorageError(f"{database}: cannot be locked: {error.strerror}") from error


def _in_use(database: Path, holder: str) -> InUseError:
    return InUseError(f"{database}: in use by another batch-tracker, process {holder or 'unknown'}")


def _holder(descriptor: int) -> str:
    """The process that holds the file; empty if the system's list lacks it."""
    file = _lock_list_name(os.fstat(descriptor))
    try:
        locks = [line.split() for line in _LOCKS.read_text().splitlines()]
    except OSError:
        return ""
    return next((words[4] for words in locks if words[1] == "FLOCK" and words[5] == file), "")


def _lock_list_name(status: os.stat_result) -> str:
    """The file as the list of locks names it."""
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


def _process_in(lock_file: Path) -> str:
    """The process that wrote its ID into the lock file last; empty if that cannot be read."""
    try:
        descriptor = open_checked(lock_file, os.O_RDONLY, single=True)
    except (OSError, StorageError):
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(32).decode("ascii", "replace").strip()


def _process_exists(process: str) -> bool:
    if not (process.isascii() and process.isdigit()) or int(process) == 0:
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is another user's
        return True
    return True

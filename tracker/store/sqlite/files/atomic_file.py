"""Owns a file that comes into being beside its place, as NAME.partial, and gets its name once it is whole and on the disk."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError
from tracker.store.sqlite.files.ownership import give, opened

COMPANIONS: Final = ("-journal", "-wal", "-shm")
"""What SQLite may keep beside a database; beside another one it would be taken for a part of that."""


@contextmanager
def partial(target: Path, owner: os.stat_result | None = None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The empty file beside `target`, for its owner alone, and what gives it the name; without that it goes.

    What root makes belongs to whom `owner` is the status of a file of.

    A process that was killed leaves its NAME.partial behind, and the next one takes that over. Raises `StorageError` where
    another process is at it, or where the file system does not let it be.
    """
    path = target.with_name(target.name + ".partial")
    try:
        descriptor = opened(path, os.O_RDWR | os.O_CREAT, single=True)
        try:
            _take_over(descriptor, path)
            if owner:
                give(descriptor, owner)
            try:
                yield path, lambda: _name(descriptor, path, target)
            finally:
                _forget(descriptor, path)
        finally:
            os.close(descriptor)  # only now: it ends every lock that this process has on the file, SQLite's too
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def _take_over(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"{path}: another process is writing it") from error
    if not _is(descriptor, path):
        raise StorageError(f"{path}: another process has just written it")
    os.ftruncate(descriptor, 0)
    os.fchmod(descriptor, 0o600)  # whatever the umask is
    for companion in COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _name(descriptor: int, path: Path, target: Path) -> None:
    os.fsync(descriptor)
    path.replace(target)
    sync_directory(target.parent)


def sync_directory(path: Path) -> None:
    """Return once the names in the directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forget(descriptor: int, path: Path) -> None:
    if _is(descriptor, path):
        path.unlink()
        for companion in COMPANIONS:
            path.with_name(path.name + companion).unlink(missing_ok=True)


def _is(descriptor: int, path: Path) -> bool:
    """Whether the file still has the name; it may have got another, and that one may have gone to another file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False

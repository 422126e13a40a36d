"""Owns atomic files: written as NAME.partial, synced, and then renamed."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tracker.core.errors.storage_error import StorageError
from tracker.runtime.directory_sync import sync_directory
from tracker.store.sqlite.files.ownership import give_to_owner_of, open_checked

COMPANIONS: Final = ("-journal", "-wal", "-shm")
"""The files that SQLite keeps next to a database; it would take those of another database for its own."""


@contextmanager
def atomic_file(target: Path, owner: os.stat_result | None = None) -> Iterator[tuple[Path, Callable[[], None]]]:
    """The empty NAME.partial next to `target`, for its owner alone, and the function that renames it to `target`.

    Without that call the file is removed. What root creates is given to the owner of the file of status `owner`. A process that
    was killed leaves its NAME.partial behind; the next one takes it over. Raises `StorageError` if another process is
    writing it, or where the file system refuses.
    """
    path = target.with_name(target.name + ".partial")
    try:
        descriptor = open_checked(path, os.O_RDWR | os.O_CREAT, single=True)
        try:
            _claim(descriptor, path)
            if owner:
                give_to_owner_of(descriptor, owner)
            try:
                yield path, lambda: _publish(descriptor, path, target)
            finally:
                _remove(descriptor, path)
        finally:
            os.close(descriptor)  # only now: it ends every lock that this process has on the file, SQLite's too
    except OSError as error:
        raise StorageError(f"{path}: cannot be written: {error.strerror}") from error


def _claim(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StorageError(f"{path}: another process is writing it") from error
    if not _has_name(descriptor, path):
        raise StorageError(f"{path}: another process has just written it")
    os.ftruncate(descriptor, 0)
    os.fchmod(descriptor, 0o600)  # whatever the umask is
    for companion in COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _publish(descriptor: int, path: Path, target: Path) -> None:
    os.fsync(descriptor)
    path.replace(target)
    sync_directory(target.parent)


def _remove(descriptor: int, path: Path) -> None:
    if _has_name(descriptor, path):
        path.unlink()
        for companion in COMPANIONS:
            path.with_name(path.name + companion).unlink(missing_ok=True)


def _has_name(descriptor: int, path: Path) -> bool:
    """Whether the open file still has this name: it may have been renamed, and the name may belong to another file."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False

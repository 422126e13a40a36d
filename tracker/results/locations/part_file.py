"""Owns a file that is not whole yet: it has another name, is for its owner alone, and is locked while its writer lives."""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tracker.results.locations.location import LocationError
from tracker.runtime.directory_sync import sync_directory

SUFFIX: Final = ".part"

_OPEN: Final = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A link leads nowhere, and a FIFO without a reader is an error instead of a wait without end."""


class PartFile:
    """NAME.part, locked; the rest of a killed writer is overwritten. Every method blocks."""

    def __init__(self, target: Path) -> None:
        """Raises `LocationError` if another process is writing it, or the file system refuses."""
        self.target = target
        self.path = target.with_name(target.name + SUFFIX)
        with as_location_errors(self.path, "written"):
            make_folders(target.parent)
            self._closed = False
            self._descriptor = _open_claimed(self.path)

    def write(self, data: bytes) -> None:
        with as_location_errors(self.path, "written"):
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]

    def sync(self) -> None:
        """Return once the content is on the disk."""
        with as_location_errors(self.path, "written"):
            os.fsync(self._descriptor)

    def rename(self) -> None:
        """Give the file, which is on the disk, the name of its target, which then is on the disk as well."""
        with as_location_errors(self.target, "written"):
            self.path.replace(self.target)
            self._close()
            sync_directory(self.target.parent)

    def discard(self) -> None:
        """Remove the file unless it was renamed."""
        if not self._closed:
            with suppress(OSError):
                self.path.unlink()
            with suppress(OSError):
                self._close()

    def _close(self) -> None:
        self._closed = True
        os.close(self._descriptor)


def _open_claimed(path: Path) -> int:
    """The descriptor of an empty file at `path`, locked. Raises `OSError`, `BlockingIOError` where another process has it."""
    descriptor = os.open(path, _OPEN | os.O_CREAT, 0o600)
    try:
        _claim(descriptor, path)
        os.fchmod(descriptor, 0o600)  # whatever the umask is
        os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _claim(descriptor: int, path: Path) -> None:
    """Lock the file at `path`. Raises `OSError`, and `BlockingIOError` where another process has it, or has just had it."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    found = os.fstat(descriptor)
    if found.st_nlink == 0 or not (os.path.lexists(path) and os.path.samestat(found, os.lstat(path))):
        raise BlockingIOError  # it was renamed or removed after it was opened here
    if found.st_nlink != 1 or found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EPERM, "another user's file, or one that has another name too, is in its place")


def make_folders(folder: Path) -> None:
    """Make the folder and those above it that are missing, for their owner alone; each is on the disk then."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        sync_directory(each.parent)


def remove_abandoned(folder: Path) -> int:
    """Remove the part files below `folder` whose writers have ended; returns their number."""
    with as_location_errors(folder, "read"):
        return sum(_remove_abandoned(path) for path in sorted(folder.rglob("*" + SUFFIX)))


def _remove_abandoned(path: Path) -> bool:
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return False
    try:
        _claim(descriptor, path)
        path.unlink()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


@contextmanager
def as_location_errors(path: Path, tried: str) -> Iterator[None]:
    """Turn an error of the operating system into a `LocationError`."""
    try:
        yield
    except BlockingIOError as error:
        raise LocationError(f"{path}: another process is writing it") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise LocationError(f"{path}: cannot be {tried}: {error.strerror}", full=full) from error

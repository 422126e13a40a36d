"""Owns the archive in a local directory: a folder for each account, and in it one for each job."""

import os
import shutil
import stat
from io import FileIO
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import anyio.to_thread

from tracker.results.locations.location import LocationError, NewFile, Readable
from tracker.results.locations.part_file import PartFile, as_location_errors, make_folders, remove_abandoned

SCHEME: Final = "file://"


class LocalDirectory:
    """The `Location` of the directory `root`; its folders are for their owner alone, and so are its files.

    A relative path starts at the working directory of now; locations are absolute, for others have another one.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.normpath(root.absolute()))

    def create(self, name: str) -> NewFile:
        return _NewFile(self._root / name)

    async def find(self, name: str) -> str | None:
        path = self._root / name
        return _location(path) if await anyio.to_thread.run_sync(_is_there, path) else None

    def open(self, location: str) -> Readable:
        path = self._path(location)
        with as_location_errors(path, "read"):
            return _StoredFile(path)

    async def remove(self, location: str) -> None:
        await anyio.to_thread.run_sync(self._remove, self._path(location))

    def free_bytes(self) -> int:
        with as_location_errors(self._root, "read"):
            make_folders(self._root)
            return shutil.disk_usage(self._root).free

    def remove_leftovers(self) -> int:
        return remove_abandoned(self._root)

    def _remove(self, path: Path) -> None:
        with as_location_errors(path, "removed"):
            path.unlink(missing_ok=True)
            for folder in path.parents:
                if folder == self._root or not _removed(folder):
                    return

    def _path(self, location: str) -> Path:
        """The path there. Raises `LocationError` if it is not within the directory."""
        path = Path(os.path.normpath(unquote(location.removeprefix(SCHEME))))
        if not location.startswith(SCHEME) or self._root not in path.parents:
            raise LocationError(f"{location}: is not within {self._root}")
        return path


class _StoredFile:
    """The `Readable` of a file; making one raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileIO(path, opener=_open_no_link)
        self.close = self._file.close

    def read(self, size: int, /) -> bytes:
        with as_location_errors(self._path, "read"):
            return self._file.read(size)


class _NewFile:
    def __init__(self, target: Path) -> None:
        self._part = PartFile(target)
        self.write = self._part.write
        self.discard = self._part.discard

    async def publish(self) -> str:
        await anyio.to_thread.run_sync(self._part.sync)
        await anyio.to_thread.run_sync(self._part.rename)
        return _location(self._part.target)


def _open_no_link(path: str, flags: int) -> int:
    """The descriptor of the file; a link is not followed, and a FIFO not waited for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_there(path: Path) -> bool:
    """Whether there is a regular file. A link is none: nothing is read through it, and a new file takes its place."""
    with as_location_errors(path, "read"):
        try:
            return stat.S_ISREG(os.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False


def _location(path: Path) -> str:
    return SCHEME + quote(str(path))


def _removed(folder: Path) -> bool:
    """Remove the folder if it is empty; returns whether it did."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True

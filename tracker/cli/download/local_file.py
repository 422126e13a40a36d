"""Owns the local file that a download becomes: written beside its name, for its owner alone, and never over another one."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from tracker.cli.download.errors import DownloadError
from tracker.core.results.result_file import FileKind
from tracker.results.locations.archived_file_names import SUFFIX, safe_name
from tracker.results.locations.location import LocationError
from tracker.results.locations.part_file import PartFile, as_location_errors
from tracker.runtime.directory_sync import sync_directory

_READ_AT_ONCE: Final = 1024 * 1024
_NO_LINKS: Final = (errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""Error numbers of file systems without hard links."""


def path_of(folder: Path, job_id: str, kind: FileKind) -> Path:
    """The path of a file of the job there: JOB-output.jsonl."""
    return folder / f"{safe_name(job_id)}-{kind}{SUFFIX}"


def digest_of(path: Path) -> str | None:
    """The SHA-256 of the file at `path`, hexadecimal; None if there is none. It blocks. Raises `DownloadError`."""
    if path.exists() and not path.is_file():
        raise existing_differs(path)
    with _as_download_errors(path, "read"):
        try:
            with path.open("rb") as file:
                digest = hashlib.sha256()
                while block := file.read(_READ_AT_ONCE):
                    digest.update(block)
                return digest.hexdigest()
        except FileNotFoundError:
            return None


def existing_differs(path: Path) -> DownloadError:
    """The error that says that another file has this name."""
    return DownloadError(f"{path}: exists with another content, and is not overwritten; remove it, or choose another --output")


class LocalFile:
    """The `NewFile` at `path`, while it is written. What is not published is to be discarded. Raises `DownloadError`."""

    def __init__(self, path: Path) -> None:
        """It blocks. It is an error where another process writes the file, too."""
        with _as_download_errors(path, "written"):
            self._part = PartFile(path)
        self.discard = self._part.discard

    def write(self, data: bytes) -> None:
        with _as_download_errors(self._part.path, "written"):
            self._part.write(data)

    async def publish(self) -> str:
        """Let the file have its name, once it is on the disk; its path.

        A file that has the name already stays; that is an error, unless it has the same content.
        """
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._publish)
        return str(self._part.target)

    def _publish(self) -> None:
        part, target = self._part, self._part.target
        with _as_download_errors(target, "written"):
            part.sync()
            try:
                os.link(part.path, target, follow_symlinks=False)
            except FileExistsError as error:
                if digest_of(target) != digest_of(part.path):
                    raise existing_differs(target) from error
            except OSError as error:
                if error.errno not in _NO_LINKS or os.path.lexists(target):
                    raise
                part.rename()
                return
            part.discard()
            sync_directory(target.parent)


@contextmanager
def _as_download_errors(path: Path, tried: str) -> Iterator[None]:
    try:
        with as_location_errors(path, tried):
            yield
    except LocationError as error:
        raise DownloadError(str(error)) from error

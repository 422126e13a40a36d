"""Owns the archive in an object store, by obstore: S3, Google Cloud Storage or Azure Blob Storage.

A file is written to the spool, a local folder, and uploaded once it is verified, so that an object is whole whenever it is
there, and a download that fails leaves no parts of an upload behind. obstore reads the store's address and credentials from
the environment (AWS_…, GOOGLE_…, AZURE_…), as other programs of these vendors do.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import from_url

from tracker.results.locations.location import LocationError, NewFile, Readable
from tracker.results.locations.part_file import PartFile, as_location_errors, make_folders, remove_abandoned

if TYPE_CHECKING:
    from obstore import ReadableFile

UPLOADED_AT_ONCE: Final = 8 * 1024 * 1024
"""Bytes of a part of an upload; two parts are under way together. An upload has at most 10,000 parts: 80 GB."""

READ_AT_ONCE: Final = 1024 * 1024

_PARTS_AT_ONCE: Final = 2
_RETRY: Final[Any] = {"max_retries": 3, "retry_timeout": timedelta(minutes=1)}


class ObjectStore:
    """The `Location` of a bucket, or of a prefix in it. Uploads wait in the local folder `spool`."""

    def __init__(self, url: str, spool: Path) -> None:
        """Raises `LocationError` if `url`, or the store's settings in the environment, cannot be used."""
        self._url = url.rstrip("/")
        self._spool = spool
        with _as_location_errors(self._url, "used"):
            self._store = from_url(self._url, retry_config=_RETRY)

    def create(self, name: str) -> NewFile:
        return _NewFile(self, PartFile(self._spool / name.replace("/", "+")), name)

    async def find(self, name: str) -> str | None:
        with _as_location_errors(self._location(name), "checked"):
            try:
                await obstore.head_async(self._store, name)
            except (NotFoundError, FileNotFoundError):
                return None
        return self._location(name)

    def open(self, location: str) -> Readable:
        with _as_location_errors(location, "read"):
            return _Object(obstore.open_reader(self._store, self._name(location), buffer_size=READ_AT_ONCE), location)

    async def remove(self, location: str) -> None:
        with _as_location_errors(location, "removed"):
            try:
                await obstore.delete_async(self._store, self._name(location))
            except (NotFoundError, FileNotFoundError):
                return

    def free_bytes(self) -> int:
        with as_location_errors(self._spool, "read"):
            make_folders(self._spool)
            return shutil.disk_usage(self._spool).free

    def remove_leftovers(self) -> int:
        return remove_abandoned(self._spool)

    async def upload(self, path: Path, name: str) -> str:
        """Upload the file `path` as the object `name`; returns its location."""
        location = self._location(name)
        size = (await anyio.Path(path).stat()).st_size
        with _as_location_errors(location, "written"):
            await obstore.put_async(self._store, name, path, chunk_size=UPLOADED_AT_ONCE, max_concurrency=_PARTS_AT_ONCE)
            stored = (await obstore.head_async(self._store, name))["size"]
        if stored != size:
            raise LocationError(f"{location}: {size} bytes were written, but the object has {stored}")
        return location

    def _location(self, name: str) -> str:
        return f"{self._url}/{name}"

    def _name(self, location: str) -> str:
        """The name of the object there. Raises `LocationError` if it is not in this store."""
        if not location.startswith(self._url + "/"):
            raise LocationError(f"{location}: is not within {self._url}")
        return location.removeprefix(self._url + "/")


class _NewFile:
    def __init__(self, store: ObjectStore, part: PartFile, name: str) -> None:
        self._store = store
        self._part = part
        self._name = name
        self.write = part.write
        self.discard = part.discard

    async def publish(self) -> str:
        location = await self._store.upload(self._part.path, self._name)
        await anyio.to_thread.run_sync(self._part.discard)
        return location


class _Object:
    """The `Readable` of an object."""

    def __init__(self, reader: "ReadableFile", location: str) -> None:
        self._reader = reader
        self._location = location

    def read(self, size: int, /) -> bytes:
        with _as_location_errors(self._location, "read"):
            return bytes(self._reader.read(size))

    def close(self) -> None:
        self._reader.close()


@contextmanager
def _as_location_errors(location: str, tried: str) -> Iterator[None]:
    """Turn an error of the object store into a `LocationError`, without its text, which may contain keys and signatures."""
    try:
        yield
    except (BaseError, OSError, ValueError) as error:
        raise LocationError(f"{location}: cannot be {tried}: {_sentence(error)}") from None


def _sentence(error: BaseException) -> str:
    match error:
        case PermissionDeniedError() | UnauthenticatedError():
            return "access is denied; do the credentials in the environment allow it?"
        case NotFoundError() | FileNotFoundError():
            return "it does not exist; is the bucket's name right?"
    return f"the object store fails ({type(error).__name__}); is it reachable from here, and is its endpoint right?"

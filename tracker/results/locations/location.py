"""Owns the Protocol of a place for archived files.

A file appears under its name once it is whole and on the disk, or not at all.
"""

from typing import Protocol


class LocationError(Exception):
    """The archive cannot be used; the message has the operation and the cause. `full`: there is no space left."""

    def __init__(self, message: str, *, full: bool = False) -> None:
        super().__init__(message)
        self.full = full


class Readable(Protocol):
    """A file that is open for reading."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""

    def close(self) -> None:
        """Close it."""


class NewFile(Protocol):
    """A file that is being written and is not published yet."""

    def write(self, data: bytes) -> None:
        """Write further bytes. It blocks. Raises `LocationError`."""

    async def publish(self) -> str:
        """Publish the complete file; returns its location, a URL. Raises `LocationError`."""

    def discard(self) -> None:
        """Remove the unpublished file. It blocks, and never raises."""


class Location(Protocol):
    """A place for archived files. Methods that are not coroutines block. Every method raises `LocationError`."""

    def create(self, name: str) -> NewFile:
        """A new file with the name `name` (see `name_of`); it replaces one that has it."""

    async def find(self, name: str) -> str | None:
        """The location of the file of this name; None if there is none."""

    def open(self, location: str) -> Readable:
        """The file there, as it is stored."""

    async def remove(self, location: str) -> None:
        """Remove the file there, if it is still there."""

    def free_bytes(self) -> int:
        """How much may still be written."""

    def remove_leftovers(self) -> int:
        """Remove unpublished files of writers that were killed; returns their number."""

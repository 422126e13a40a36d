"""Owns reading archived result files for the web, wherever the configuration in force has its archive."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from tracker.config import Config
from tracker.core.errors.archive_error import ArchiveError
from tracker.results.archived_file_reader import open_archived
from tracker.results.compression import CorruptError
from tracker.results.locations.location import LocationError
from tracker.results.locations.location_factory import open_location

THREADS: Final = 4
"""In which the files of all requests are read: downloads shall not take the threads of other work."""


class ArchivedContent:
    """Opens archived files."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """`config` gives the configuration in force."""
        self._config = config
        self._threads = anyio.CapacityLimiter(THREADS)

    @asynccontextmanager
    async def open(self, location: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The content of the file at `location`, in parts. Opening and reading raise `ArchiveError`."""
        config = self._config()
        if config.results.archive is None:
            raise ArchiveError(f"{location}: there is no `results.archive` in the configuration now")
        try:
            place = open_location(config.results.archive, config.storage.spool)
            async with open_archived(place, location, self._threads) as parts:
                yield parts
        except CorruptError as error:
            raise ArchiveError(f"{location}: the file is damaged: {error}") from error
        except LocationError as error:
            raise ArchiveError(str(error)) from error

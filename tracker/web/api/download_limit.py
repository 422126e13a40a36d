"""Owns the limit of files that are sent at the same time: each one takes memory while it is decompressed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tracker.web.endpoints.problem_details import Refusal

MOST_DOWNLOADS: Final = 16


class DownloadLimit:
    """Counts the files that are being sent."""

    def __init__(self, most: int = MOST_DOWNLOADS) -> None:
        self._most = most
        self._downloads = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count one download while the context lasts. Raises `Refusal` if there is room for no other."""
        if self._downloads >= self._most:
            detail = f"{self._most} files are being downloaded already, which is the limit"
            raise Refusal(503, detail, {"retry-after": "10"})
        self._downloads += 1
        try:
            yield
        finally:
            self._downloads -= 1

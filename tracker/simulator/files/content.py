"""Owns the content of a file: its size, its lines, and its bytes in chunks from any place on, without holding it in memory."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Final, Protocol

CHUNK: Final = 128 * 1024
"""Bytes that are sent at once, about."""


class Content(Protocol):
    """The content of a file."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def lines(self) -> int:
        """Lines that are not blank."""

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`, in order; an empty chunk was skipped."""


class UploadedContent:
    """Uploaded content, unchanged."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    @cached_property
    def lines(self) -> int:
        return sum(1 for line in self._data.split(b"\n") if line.strip())

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        for at in range(start, min(stop, self.size), CHUNK):
            yield self._data[at : min(at + CHUNK, stop)]


class GeneratedContent:
    """Lines that are made each time that they are read; measuring them makes them all once."""

    def __init__(self, make_lines: Callable[[], Iterable[bytes]]) -> None:
        """`make_lines` gives the same lines each time, with their line ends."""
        self._make_lines = make_lines

    @cached_property
    def _measured(self) -> tuple[int, int]:
        size = lines = 0
        for line in self._make_lines():
            size += len(line)
            lines += 1
        return size, lines

    @property
    def size(self) -> int:
        return self._measured[0]

    @property
    def lines(self) -> int:
        return self._measured[1]

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        at = 0
        for chunk in self._whole():
            if at >= stop:
                return
            yield chunk[max(0, start - at) : stop - at]
            at += len(chunk)

    def _whole(self) -> Iterator[bytes]:
        batch, size = [], 0
        for line in self._make_lines():
            batch.append(line)
            size += len(line)
            if size >= CHUNK:
                yield b"".join(batch)
                batch, size = [], 0
        yield b"".join(batch)


class ShortenedContent:
    """Content that ends `missing` bytes early, though its number of lines is that of the whole."""

    def __init__(self, whole: Content, missing: int) -> None:
        self._whole = whole
        self.size = max(0, whole.size - missing)
        self.lines = whole.lines

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        return self._whole.chunks(start, min(stop, self.size))

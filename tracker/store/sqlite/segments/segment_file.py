"""Owns the file of a segment: JSON Lines under zstd, in bounded memory, written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

import zstandard

from tracker.core.errors.storage_error import StorageError
from tracker.runtime.directory_sync import sync_directory
from tracker.store.sqlite.files.atomic_file import atomic_file
from tracker.store.sqlite.segments.segment import Written

LEVEL: Final = 6
"""Events repeat each other: some 30 bytes of each remain, a tenth of what it takes in the database."""

LONGEST_LINE: Final = 1024 * 1024
"""Bytes; no event is longer than 64 KiB. A damaged file may be decompressed to anything."""


def make_directory(path: Path) -> None:
    """Make the directory of the segments, for its owner alone, where it is missing. Raises `StorageError`."""
    try:
        if not path.is_dir():
            path.mkdir(mode=0o700, parents=True)
            sync_directory(path.parent)
    except OSError as error:
        raise StorageError(f"{path}: the directory of the segments cannot be made: {error.strerror}") from error


def write_segment(target: Path, lines: Iterator[tuple[int, str]]) -> Written:
    """Write the events, each with its seq, to `target`, and return once they are on the disk. Raises `StorageError`."""
    content, last_seq = sha256(), 0
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, write_checksum=True)
    with atomic_file(target) as (path, publish):
        with path.open("wb") as file, zstandard.ZstdCompressor(compression_params=parameters).stream_writer(file) as compressed:
            for seq, line in lines:
                encoded = f"{line}\n".encode()
                content.update(encoded)
                compressed.write(encoded)
                last_seq = seq
        size = path.stat().st_size
        publish()
    return Written(last_seq, size, content.hexdigest())


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines, each with its end. Raises `StorageError` if the file cannot be read or decompressed, or is cut off."""
    try:
        with path.open("rb") as file, closing(_Content(file)) as content:
            yield from content.lines()
    except OSError as error:
        raise StorageError(f"{path}: the segment cannot be read: {error.strerror or error}") from error
    except zstandard.ZstdError as error:
        raise StorageError(f"{path}: the segment is damaged: {error}") from error


class _Content:
    """The content of a compressed file, by lines."""

    def __init__(self, file: IO[bytes]) -> None:
        self._size = os.fstat(file.fileno()).st_size
        self._file = file
        self._decompressor = zstandard.ZstdDecompressor().decompressobj()

    def lines(self) -> Iterator[bytes]:
        rest = b""
        while piece := self._file.read(16 * 1024):
            if self._decompressor.eof:
                raise zstandard.ZstdError("it goes on after its end")
            *lines, rest = (rest + self._decompressor.decompress(piece)).split(b"\n")
            for line in lines:
                yield line + b"\n"
            if len(rest) > LONGEST_LINE:
                raise zstandard.ZstdError("a line of it is too long for an event")
        if rest or not self._decompressor.eof or self._decompressor.unused_data:
            raise zstandard.ZstdError("it ends in the middle, or goes on after its end")

    def close(self) -> None:
        self._file.close()

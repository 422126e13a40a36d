"""Owns compression: zstd, as a stream in bounded memory. Each stored file is one frame with a checksum."""

from typing import Final, Protocol

import zstandard

from tracker.results.locations.location import Readable

SUFFIX: Final = ".zst"

LEVEL: Final = 1
"""Twice as fast as 3, and result lines come out a sixth larger: the archive must keep pace with the network."""

_JOB: Final = 1024 * 1024
"""Bytes that its thread compresses together; several such buffers are kept for each file."""

_READ_AT_ONCE: Final = 32 * 1024
_PIECE: Final = 1024
"""Compressed bytes that are decompressed at a time: a single repeated byte is decompressed to 30,000 times the size."""

_TOO_LONG: Final = "it goes on after its end"


class Compressor(Protocol):
    """Compresses one stream, as `zlib.compressobj` does."""

    def compress(self, data: bytes, /) -> bytes:
        """The compressed bytes that are ready by now."""

    def flush(self) -> bytes:
        """The rest of it."""


class Uncompressed:
    """The `Compressor` that stores the content as it is."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def zstd() -> Compressor:
    """Compression in a thread of its own, which never waits for the interpreter's lock."""
    parameters = zstandard.ZstdCompressionParameters.from_level(LEVEL, write_checksum=True, threads=1, job_size=_JOB)
    return zstandard.ZstdCompressor(compression_params=parameters).compressobj()


class CorruptError(Exception):
    """A stored file is damaged."""


class Decompressed:
    """The content of a stored file, read as it was before it was compressed."""

    def __init__(self, stored: Readable) -> None:
        self._stored = stored
        self._decompressor = zstandard.ZstdDecompressor().decompressobj()
        self._compressed = b""
        self._content = bytearray()

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end. Raises `CorruptError`."""
        while len(self._content) < size and (piece := self._next_piece()):
            try:
                self._content += self._decompressor.decompress(piece)
            except zstandard.ZstdError as error:
                raise CorruptError("it cannot be decompressed") from error
            if self._decompressor.unused_data:
                raise CorruptError(_TOO_LONG)
        if not self._content and not self._decompressor.eof:
            raise CorruptError("it ends too early")
        content = bytes(self._content[:size])
        del self._content[:size]
        return content

    def close(self) -> None:
        self._stored.close()

    def _next_piece(self) -> bytes:
        self._compressed = self._compressed or self._stored.read(_READ_AT_ONCE)
        if self._compressed and self._decompressor.eof:
            raise CorruptError(_TOO_LONG)
        piece, self._compressed = self._compressed[:_PIECE], self._compressed[_PIECE:]
        return piece


def content_of(stored: Readable, name: str) -> Readable:
    """The content of the file that is stored as `name`."""
    return Decompressed(stored) if name.endswith(SUFFIX) else stored

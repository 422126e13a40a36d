"""Owns the encoding of archive outcomes in the table of results, beside its columns."""

from typing import Final

import msgspec

from tracker.core.results.archive_outcome import Results
from tracker.core.results.result_file import ArchivedFile

_FIELDS: Final = ("files", "missing", "digest", "usage", "cost")


class _Files(msgspec.Struct, frozen=True):
    files: tuple[ArchivedFile, ...]


_decode: Final = msgspec.json.Decoder(_Files).decode


def encode_results(results: Results) -> str:
    """JSON of all but what is in the columns."""
    return msgspec.json.encode({name: getattr(results, name) for name in _FIELDS}).decode()


def decode_files(data: str) -> tuple[ArchivedFile, ...]:
    """The archived files of what `encode_results` wrote; none where it cannot be read."""
    try:
        return _decode(data).files
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ()

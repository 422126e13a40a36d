"""Owns the conditions of a request for a file: which bytes are wanted, and whether the client has them already (RFC 9110)."""

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class ByteRange(NamedTuple):
    """Bytes of a content, from `start` up to but not including `end`."""

    start: int
    end: int


class UnsatisfiableRangeError(Exception):
    """The content ends before the wanted range begins."""


def requested_range(header: str, size: int) -> ByteRange | None:
    """The range that `Range` wants of `size` bytes. Raises `UnsatisfiableRangeError`.

    None is all of it, also for a header that cannot be read, or that wants several ranges: a server may ignore these.
    """
    found = _RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        return _suffix(int(last), size)
    start, end = int(first), min(int(last) + 1 if last else size, size)
    if start >= size:
        raise UnsatisfiableRangeError
    return ByteRange(start, end) if start < end else None


def matches(header: str, etag: str) -> bool:
    """Whether the list of an `If-None-Match` has the entity tag."""
    tags = {each.strip().removeprefix("W/") for each in header.split(",")}
    return "*" in tags or etag in tags


def _suffix(length: int, size: int) -> ByteRange | None:
    if not length:
        raise UnsatisfiableRangeError
    return ByteRange(max(size - length, 0), size) if size else None

"""Owns the digest of a table's rows, which does not depend on their order: two tables agree if their digests do."""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

_BYTES: Final = 16

_encode: Final = msgspec.msgpack.Encoder().encode


class RowDigest:
    """The number of rows, and the sum of their hashes."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Values are text, whole numbers and None; True counts as 1."""
        hashes = [int.from_bytes(blake2b(_encode(row), digest_size=_BYTES).digest()) for row in rows]
        self.rows += len(hashes)
        self._sum = (self._sum + sum(hashes)) % (1 << 8 * _BYTES)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowDigest) and (self.rows, self._sum) == (other.rows, other._sum)

    __hash__ = None  # type: ignore[assignment] # it changes with each row

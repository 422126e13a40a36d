"""Owns the figures of the kept log: where it begins, and how much of it was moved into segments."""

import msgspec


class KeptLog(msgspec.Struct, frozen=True):
    """`first_seq` is that of its first event, which was observed at `oldest` (ISO 8601; None where there is none).

    `segments_size` is the bytes of the files that earlier events were moved into.
    """

    first_seq: int
    oldest: str | None
    segments_size: int

"""Owns the report of a transfer, and what is shown of its progress."""

from collections.abc import Callable, Mapping

import msgspec

Progress = Callable[[str, int, int], None]
"""Called with the name of a table, how many of its rows are transferred, and how many it has in all."""


class Transferred(msgspec.Struct, frozen=True):
    """The number of rows by table, each of them compared. The log has no gaps, so that of events is the last `seq` too."""

    rows: Mapping[str, int]

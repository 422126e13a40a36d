"""Owns the conversion of durations for the database: whole milliseconds within SQLite's integers."""

from typing import Final

_FOREVER: Final = 2**61
"""Milliseconds; a time plus this still fits into SQLite's integers."""


def milliseconds(seconds: float) -> int:
    """`seconds`, which may be infinite, as milliseconds."""
    return _FOREVER if seconds * 1000 >= _FOREVER else round(seconds * 1000)

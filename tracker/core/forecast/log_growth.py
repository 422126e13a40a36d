"""Owns the expected growth of the log: what the active jobs of an account add to it in a day, at most."""

from typing import Final

BYTES_OF_PROGRESS: Final = 317
"""Of an event of progress in the SQLite file with all indexes, as measured; PostgreSQL needs about as much."""

_DAY: Final = 86_400.0


def bytes_per_day(active_jobs: int, interval: float) -> int:
    """What the jobs log in a day if their counters move at each interval (in seconds)."""
    return round(active_jobs * _DAY / interval * BYTES_OF_PROGRESS)

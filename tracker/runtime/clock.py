"""Owns the wall clock: the only place that reads it."""

import time


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000

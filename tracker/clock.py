"""Owns the clock: the one place that asks what time it is."""

import time


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000

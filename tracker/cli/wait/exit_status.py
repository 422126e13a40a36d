"""Owns the exit status of `wait`."""

from collections.abc import Collection
from typing import Final

from tracker.cli.wait.state import TIMED_OUT, UNKNOWN, Awaited

TIMED_OUT_STATUS: Final = 124
"""As coreutils' `timeout` has it."""


def exit_status(jobs: Collection[Awaited], good: Collection[str]) -> int:
    """0 if every result is `good`, else 2 if a job is unknown, else 1 if a job ended otherwise, else 124: timed out."""
    bad = {each.result for each in jobs if each.result not in good}
    if UNKNOWN in bad:
        return 2
    if bad - {TIMED_OUT}:
        return 1
    return TIMED_OUT_STATUS if bad else 0

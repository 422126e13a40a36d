"""Owns the statuses of a job and what may follow what: the one table of states.

The seven statuses are those of Mistral's BatchJob schema. The set is open: any other string may come, such a job counts
as active, anything may follow it, and it may follow anything that is not terminal.
"""

from collections.abc import Mapping
from typing import Final

QUEUED: Final = "QUEUED"
RUNNING: Final = "RUNNING"
CANCELLATION_REQUESTED: Final = "CANCELLATION_REQUESTED"
SUCCESS: Final = "SUCCESS"
FAILED: Final = "FAILED"
TIMEOUT_EXCEEDED: Final = "TIMEOUT_EXCEEDED"
CANCELLED: Final = "CANCELLED"

ACTIVE: Final = (QUEUED, RUNNING, CANCELLATION_REQUESTED)
TERMINAL: Final = (SUCCESS, FAILED, TIMEOUT_EXCEEDED, CANCELLED)

FOLLOWERS: Final[Mapping[str, frozenset[str]]] = {
    QUEUED: frozenset({RUNNING, CANCELLATION_REQUESTED, *TERMINAL}),
    RUNNING: frozenset({CANCELLATION_REQUESTED, *TERMINAL}),
    CANCELLATION_REQUESTED: frozenset(TERMINAL),  # a job may still end by itself before its cancellation takes hold
    SUCCESS: frozenset(),
    FAILED: frozenset(),
    TIMEOUT_EXCEEDED: frozenset(),
    CANCELLED: frozenset(),
}


def is_terminal(status: str) -> bool:
    return status in TERMINAL


def is_recognized(status: str) -> bool:
    return status in FOLLOWERS


def may_follow(before: str, after: str) -> bool:
    """Whether a job observed as `before` can have moved on to the different status `after`."""
    if not is_recognized(before):
        return True
    if not is_recognized(after):
        return not is_terminal(before)
    return after in FOLLOWERS[before]

"""The one table of states, against the same written out by hand."""

import pytest
from core_samples import SCHEMA

from tracker.core.events.event_type_table import TYPE_OF_STATUS
from tracker.core.jobs.status import ACTIVE, FOLLOWERS, TERMINAL, is_recognized, is_terminal, may_follow

MAY_FOLLOW = """
before                  QUEUED  RUNNING  CANCELLATION_REQUESTED  SUCCESS  FAILED  TIMEOUT_EXCEEDED  CANCELLED  PAUSED
QUEUED                  -       yes      yes                     yes      yes     yes               yes        yes
RUNNING                 -       -        yes                     yes      yes     yes               yes        yes
CANCELLATION_REQUESTED  -       -        -                       yes      yes     yes               yes        yes
SUCCESS                 -       -        -                       -        -       -                 -          -
FAILED                  -       -        -                       -        -       -                 -          -
TIMEOUT_EXCEEDED        -       -        -                       -        -       -                 -          -
CANCELLED               -       -        -                       -        -       -                 -          -
PAUSED                  yes     yes      yes                     yes      yes     yes               yes        -
"""
HEAD, *ROWS = [line.split() for line in MAY_FOLLOW.strip().splitlines()]
CELLS = [(row[0], after, cell == "yes") for row in ROWS for after, cell in zip(HEAD[1:], row[1:], strict=True)]


@pytest.mark.parametrize(("before", "after", "expected"), [cell for cell in CELLS if cell[0] != cell[1]])
def test_what_may_follow_what(before, after, expected):
    """Each cell of the table: a job moves on, never back, and from a terminal status nowhere."""
    assert may_follow(before, after) is expected


def test_the_table_of_followers_is_whole():
    """FOLLOWERS has a row for each status of the schema, no other, and says of each pair what the written table says."""
    assert list(FOLLOWERS) == [*ACTIVE, *TERMINAL]
    assert set(FOLLOWERS) == set(SCHEMA["properties"]["status"]["enum"])
    assert {(before, after) for before, afters in FOLLOWERS.items() for after in afters} == {
        (before, after) for before, after, expected in CELLS if expected and "PAUSED" not in (before, after)
    }


@pytest.mark.parametrize(
    ("status", "terminal", "recognized", "event"),
    [
        ("QUEUED", False, True, None),
        ("RUNNING", False, True, "batch.started"),
        ("CANCELLATION_REQUESTED", False, True, "batch.cancelling"),
        ("SUCCESS", True, True, "batch.completed"),
        ("FAILED", True, True, "batch.failed"),
        ("TIMEOUT_EXCEEDED", True, True, "batch.expired"),
        ("CANCELLED", True, True, "batch.cancelled"),
        ("PAUSED", False, False, None),
        ("success", False, False, None),
        ("SUCCESS ", False, False, None),
        ("", False, False, None),
    ],
)
def test_what_a_status_is(status, terminal, recognized, event):
    """Each status is over or not, of the schema or not, and has the event of its name; spelling counts to the letter."""
    assert is_terminal(status) is terminal
    assert is_recognized(status) is recognized
    assert getattr(TYPE_OF_STATUS.get(status), "name", None) == event


@pytest.mark.parametrize("before", TERMINAL)
@pytest.mark.parametrize("after", [*ACTIVE, *TERMINAL, "PAUSED", "ARCHIVED", ""])
def test_terminal_is_final(before, after):
    """Nothing follows a terminal status, not even an unknown status."""
    assert not may_follow(before, after)


def test_one_unrecognized_status_may_follow_another():
    """Between two statuses outside the schema nothing says which is the later."""
    assert may_follow("PAUSED", "ARCHIVED")
    assert may_follow("ARCHIVED", "PAUSED")

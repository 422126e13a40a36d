"""The one table of event types, and what follows from it."""

import re
from importlib.resources import files

import pytest

from tracker.core.events.event_type_table import (
    ACCOUNT_TYPES,
    BATCH_TYPES,
    BY_NAME,
    DEFAULT_TYPES,
    END_TYPES,
    EVENT_TYPES,
    OVERDUE_TYPES,
    PROBLEM_TYPES,
    RECEIVER_TYPES,
    REPLICA_TYPES,
    RESULT_TYPES,
    SILENCE_TYPES,
    TYPES,
)

ICONS = set(re.findall(r'<symbol id="i-([a-z]+)"', files("tracker.web.pages").joinpath("icons.html").read_text("utf-8")))
each_type = pytest.mark.parametrize("type_", EVENT_TYPES, ids=TYPES)


def test_every_type_is_once_in_the_table():
    """Names and ranks are unique, and each type belongs to exactly one of the seven groups."""
    assert len(BY_NAME) == len(EVENT_TYPES) == len({each.rank for each in EVENT_TYPES})
    of_jobs = (*BATCH_TYPES, *OVERDUE_TYPES, *RESULT_TYPES)
    assert (*of_jobs, *ACCOUNT_TYPES, *RECEIVER_TYPES, *REPLICA_TYPES, *SILENCE_TYPES) == TYPES


def test_groups_follow_from_the_table():
    """A receiver gets the ends of jobs by default; the types that need attention are a group of their own."""
    assert DEFAULT_TYPES == END_TYPES == ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")
    assert PROBLEM_TYPES == (
        "batch.failed",
        "batch.expired",
        "batch.at_risk",
        "batch.stalled",
        "batch.deadline",
        "batch.results_gone",
        "account.unreachable",
        "receiver.failing",
        "replica.lost",
    )


@each_type
def test_row_is_consistent(type_):
    """A type resolves one of the table, a problem is a warning in the log, a status is an observed change, an icon is drawn."""
    assert type_.resolves is None or type_.resolves in BY_NAME
    assert not type_.is_problem or type_.level == "warning"
    assert type_.status is None or (type_.moves and type_.has_changes and type_.is_observed)
    assert type_.icon in ICONS

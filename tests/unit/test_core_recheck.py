"""When something is asked for again, and for how long the holes of a list are remembered."""

import pytest

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Hole
from tracker.core.ports.provider import ListQuery
from tracker.core.reconciliation.recheck_backoff import DAY, HOUR, MINUTE, Recheck
from tracker.core.reconciliation.unreadable_entries import Gaps

NOW = 1_750_861_214_312
HOLE = Hole(3, 1, Failure(Reason.SERVER, "HTTP 500", status=500), 90, 110)


@pytest.mark.parametrize(
    ("after", "due"),
    [(MINUTE - 1, False), (MINUTE, True), (-1, True), (-DAY, True)],
    ids=["early", "in time", "a clock set back a little", "a clock set back a day"],
)
def test_what_is_due(after, due):
    """It is due when its time has come, and at once where the clock was set back behind the last time."""
    assert Recheck.first(NOW).is_due(NOW + after, MINUTE) is due


def test_holes_are_left_out_for_a_day_and_then_given_up():
    """Until then the list is read past them, or now and then as a whole; after a day it is read as if there were none."""
    gaps, query = Gaps(), ListQuery(created_after=50)
    gaps.record_reading("new", query, (HOLE,), NOW, left_out=False)
    assert gaps.query("new", query, NOW + 1) == (ListQuery(created_after=109), ())
    assert gaps.query("new", query, NOW + HOUR) == (query, ())
    assert "new" in gaps
    assert gaps.query("new", query, NOW + DAY) == (query, ())
    assert "new" not in gaps

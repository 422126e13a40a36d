"""Which lists a sweep reads, by what they cost, and from when on."""

import pytest
from core_samples import NOW

from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.sweep_plan import (
    FREE_OVERLAP,
    OVERLAP,
    Census,
    Plan,
    advanced_watermark,
    make_plan,
    pages,
    window_start,
)

FILTERS = Capabilities(filters_creation=True, filters_statuses=True)
NO_FILTERS = Capabilities(order=Order.NEWEST_FIRST)
WINDOW = 1_750_000_000
HOUR = 3600
ACTIVE = ListQuery(statuses=("QUEUED", "RUNNING", "CANCELLATION_REQUESTED"))


def one_list(created_after):
    return Plan(ListQuery(created_after=created_after), fallback=ACTIVE)


TWO_LISTS = Plan(ListQuery(created_after=WINDOW), ACTIVE)


@pytest.mark.parametrize(
    ("active", "oldest", "in_window", "since_oldest", "expected"),
    [
        # nothing is active: the window alone
        (0, None, 0, 0, one_list(WINDOW)),
        (0, None, 80, 0, one_list(WINDOW)),
        (0, None, 100_000, 0, one_list(WINDOW)),
        # all that is active lies in the window
        (5, WINDOW + 7, 80, 20, one_list(WINDOW)),
        (5, WINDOW + 1, 80, 80, one_list(WINDOW)),
        (1, WINDOW, 80, 81, one_list(WINDOW - 1)),
        # one list back to the oldest costs as much as two, or less
        (1, WINDOW - HOUR, 80, 100, one_list(WINDOW - HOUR - 1)),
        (1, WINDOW - HOUR, 80, 101, one_list(WINDOW - HOUR - 1)),
        (1, WINDOW - HOUR, 80, 200, one_list(WINDOW - HOUR - 1)),
        (101, WINDOW - HOUR, 80, 300, one_list(WINDOW - HOUR - 1)),
        (1000, WINDOW - HOUR, 80, 1000, one_list(WINDOW - HOUR - 1)),
        (1, WINDOW - HOUR, 250, 400, one_list(WINDOW - HOUR - 1)),
        # one old job behind many that are over: two lists are cheaper
        (1, WINDOW - HOUR, 80, 201, TWO_LISTS),
        (100, WINDOW - HOUR, 80, 301, TWO_LISTS),
        (1, WINDOW - HOUR, 250, 401, TWO_LISTS),
        (1, WINDOW - HOUR, 0, 100_000, TWO_LISTS),
    ],
)
def test_the_cheaper_plan(active, oldest, in_window, since_oldest, expected):
    """Two lists where they take fewer requests than one that reaches back to the oldest active job, else the one."""
    census = Census(active=active, oldest_active=oldest, created_in_window=in_window, created_since_oldest_active=since_oldest)
    assert make_plan(WINDOW, census, FILTERS, apart=False) == expected
    assert make_plan(WINDOW, census, FILTERS, apart=True) == TWO_LISTS


def test_history_that_begins_later_than_the_oldest_active_job_costs_an_unknown_number_of_pages():
    """What was created before the log began is not known: the active jobs are read by their status."""
    census = Census(
        active=1,
        oldest_active=WINDOW - HOUR,
        created_in_window=0,
        created_since_oldest_active=1,
        history_covers_active=False,
    )
    assert make_plan(WINDOW, census, FILTERS, apart=False) == TWO_LISTS


@pytest.mark.parametrize(
    ("older", "since_oldest", "covered", "expected"),
    [
        pytest.param(0, 20, True, WINDOW, id="all active jobs lie in the window"),
        pytest.param(1, 200, True, WINDOW - HOUR - 1, id="one further page costs as much as one get"),
        pytest.param(1, 201, True, WINDOW, id="two further pages cost more than one get"),
        pytest.param(30, 3_100, True, WINDOW - HOUR - 1, id="as many gets as further pages"),
        pytest.param(30, 3_101, True, WINDOW, id="one get fewer than further pages"),
        pytest.param(31, 100_000, True, WINDOW - HOUR - 1, id="more gets than a sweep makes"),
        pytest.param(1, 20, False, WINDOW, id="the log does not know how many pages there are"),
        pytest.param(31, 20, False, WINDOW, id="the log does not know, and gets take several sweeps"),
    ],
)
def test_without_a_filter_of_statuses_there_is_one_list(older, since_oldest, covered, expected):
    """It reaches back to the oldest active job unless asking for the older ones by id takes fewer requests."""
    census = Census(
        active=older + 5,
        oldest_active=WINDOW - HOUR if older else WINDOW + 1,
        active_before_window=older,
        created_in_window=80,
        created_since_oldest_active=since_oldest,
        history_covers_active=covered,
    )
    plans = [make_plan(WINDOW, census, NO_FILTERS, apart=apart) for apart in (False, True)]
    assert plans == [Plan(ListQuery(created_after=expected))] * 2


@pytest.mark.parametrize(("jobs", "expected"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (10_000, 100)])
def test_what_a_list_costs(jobs, expected):
    """A request for each page, and one for an empty list too."""
    assert pages(jobs, FILTERS) == expected


def test_the_free_overlap_is_free():
    """The known jobs that the window reaches back over leave room for new ones on the first page."""
    assert 0 < FREE_OVERLAP < FILTERS.page_size


@pytest.mark.parametrize(
    ("watermark", "nth_newest", "expected"),
    [
        (None, None, WINDOW - OVERLAP),  # the first reading: all of history, and as far back as the second may look
        (None, WINDOW + HOUR, WINDOW - OVERLAP),
        (WINDOW + HOUR, None, WINDOW),  # few jobs are known: all of them fit the page
        (WINDOW + HOUR, WINDOW + 600, WINDOW + 600),
        (WINDOW + HOUR, WINDOW + HOUR - OVERLAP, WINDOW + HOUR - OVERLAP),
        (WINDOW + HOUR, WINDOW + HOUR - 1, WINDOW + HOUR - OVERLAP),  # many came at once: the overlap is kept
        (WINDOW + HOUR, WINDOW + 2 * HOUR, WINDOW + HOUR - OVERLAP),
        (WINDOW + HOUR, WINDOW - HOUR, WINDOW),  # history ends at the horizon
        (WINDOW + 10, WINDOW + 5, WINDOW - 50),  # but the overlap is kept even there
    ],
)
def test_where_the_window_begins(watermark, nth_newest, expected):
    """Behind the horizon first; then as far back as is free, yet always the overlap behind the watermark."""
    checkpoint = Checkpoint(since=NOW, horizon=WINDOW, watermark=watermark)
    assert window_start(checkpoint, watermark, nth_newest) == expected


@pytest.mark.parametrize(
    ("newest_seen", "advanced", "before", "expected"),
    [
        (None, None, WINDOW, WINDOW),  # nothing was ever created
        (WINDOW + 5, None, WINDOW, WINDOW + 5),
        (WINDOW - 5, None, WINDOW, WINDOW - 5),  # a restart: what was seen counts, not what time has passed
        (NOW // 1000, None, WINDOW, NOW // 1000),
        (NOW // 1000 + 1, None, WINDOW, NOW // 1000),  # created in the future: no later than now
        (253_402_300_799, None, WINDOW, NOW // 1000),
        (None, WINDOW + 15.9, WINDOW, WINDOW + 15),  # the provider's clock went on
        (WINDOW + 5, WINDOW + 15.9, WINDOW, WINDOW + 15),
        (WINDOW + 20, WINDOW + 15.9, WINDOW, WINDOW + 20),
        (None, WINDOW - 15.5, WINDOW, WINDOW),
    ],
)
def test_how_the_watermark_moves(newest_seen, advanced, before, expected):
    """To the newest creation seen, or as far as time has passed since the last reading; no creation in the future counts."""
    watermark = advanced_watermark(newest_seen, advanced, before, NOW)
    assert (watermark, type(watermark)) == (expected, int)

"""What the pages say, and how they link: numbers, times, labels, places in a list."""

import pytest
from starlette.datastructures import QueryParams

from tracker.core.events.event_type_table import BATCH_TYPES, OVERDUE_TYPES, RECEIVER_TYPES, REPLICA_TYPES, RESULT_TYPES
from tracker.core.jobs.status import ACTIVE, TERMINAL
from tracker.core.queries.pagination import JobKey
from tracker.web.pages.rendering import formatting, status_labels
from tracker.web.pages.rendering.links import link
from tracker.web.pages.rendering.page_cursors import decode_cursor, encode_cursor

NOW = 1_750_000_000.0
THIN = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(("value", "shown"), [(0, "0"), (999, "999"), (1000, "1_000"), (1234567, "1_234_567")])
def test_numbers_stand_in_groups_of_three(value, shown):
    """Groups are held together by a thin space that no line breaks at."""
    assert formatting.number(value) == shown.replace("_", THIN)


@pytest.mark.parametrize(
    ("per_second", "shown"), [(1234.4, "1_234/s"), (2.25, "2.2/s"), (0.5, "30/min"), (0.01, "36/h"), (0.0001, "8.6/d")]
)
def test_rate_has_the_unit_in_which_there_is_one(per_second, shown):
    """A slow job's rate is shown by the hour or the day, never as 0."""
    assert formatting.rate(per_second) == shown.replace("_", THIN)


@pytest.mark.parametrize(
    ("value", "relative", "absolute"),
    [
        (NOW - 192, "3m 12s ago", "15:03:28 UTC"),
        (NOW + 300, "in 5m 0s", "15:11:40 UTC"),
        (NOW, "now", "15:06:40 UTC"),
        (NOW - 86400 * 2, "2d 0h ago", "13 Jun 15:06 UTC"),
        (NOW - 86400 * 365, "365d 0h ago", "2024-06-15 15:06 UTC"),
        ("2025-06-15T15:06:39.500Z", "now", "15:06:39 UTC"),
    ],
)
def test_times_are_relative_and_absolute(value, relative, absolute):
    """Unix seconds and ISO 8601 alike, with the date where it is another day's."""
    assert formatting.relative(value, NOW) == relative
    assert formatting.absolute(value, NOW) == absolute


@pytest.mark.parametrize(
    ("value", "due"),
    [
        pytest.param(NOW + 300, "in 5m 0s", id="to-come"),
        pytest.param(NOW + 0.5, "now", id="at-once"),
        pytest.param(NOW - 1, "now", id="not-seen-yet"),
        pytest.param(NOW - 3, "overdue by 3s", id="late"),
        pytest.param("2025-06-15T14:06:40Z", "overdue by 1h 0m", id="very-late"),
    ],
)
def test_what_is_to_come_is_never_some_time_ago(value, due):
    """The next attempt, the next sweep, an expected end or a deadline is to come, now, or overdue."""
    assert formatting.due(value, NOW) == due


@pytest.mark.parametrize(
    ("job_id", "short"),
    [
        pytest.param("5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11", "5e8e2a1c", id="uuid"),
        pytest.param("batch-7", "batch-7", id="other"),
        pytest.param("x" * 40, "x" * 17 + "\N{HORIZONTAL ELLIPSIS}", id="long"),
    ],
)
def test_id_is_shortened(job_id, short):
    """The beginning of a UUID is enough to know it by, another ID is kept where it is short."""
    assert formatting.short_id(job_id) == short


def test_percent_is_whole_only_where_nothing_is_missing():
    """999 of 1000 are 99 %, and nothing is no share of nothing."""
    assert [formatting.percent(999, 1000), formatting.percent(1000, 1000), formatting.percent(0, 0)] == [99, 100, 0]


def test_every_status_and_event_has_a_label_of_its_own_word():
    """No two statuses look alike without colors, and an unknown status is shown as it came."""
    labels = [status_labels.label_of_status(status) for status in (*ACTIVE, *TERMINAL, "VALIDATING")]
    assert len({label.text for label in labels}) == len({label.icon for label in labels}) == len(labels)
    assert labels[-1].text == "VALIDATING"
    types = (*BATCH_TYPES, *OVERDUE_TYPES, *RESULT_TYPES, *RECEIVER_TYPES, *REPLICA_TYPES)
    assert all(
        status_labels.label_of_event({"type": type_}).icon != "unknown" for type_ in types if type_ != "batch.unrecognized"
    )


@pytest.mark.parametrize(
    ("job", "word"),
    [
        ({"status": "SUCCESS", "outcome": "success"}, "succeeded"),
        ({"status": "SUCCESS", "outcome": "partial"}, "partial"),
        ({"status": "SUCCESS", "outcome": "all_failed"}, "all failed"),
        ({"status": "RUNNING", "outcome": None, "deleted": True}, "deleted"),
        ({"status": "RUNNING", "outcome": None, "deleted": False}, "running"),
    ],
)
def test_success_is_as_good_as_its_requests(job, word):
    """The word of a job shows how complete its SUCCESS is, and that the API no longer has it."""
    assert status_labels.label_of_job(job).text == word


def test_links_keep_the_query_but_for_what_changes():
    """What was asked for stays, repeated or not; None takes away, a tuple repeats, and what is empty is left out."""
    query = QueryParams("status=RUNNING&status=QUEUED&text=a%26b&model=")
    assert link("/", query) == "/?status=RUNNING&status=QUEUED&text=a%26b"
    assert link("/", query, status=None) == "/?text=a%26b"
    assert link("/", query, text=None, status=("A", "B")) == "/?status=A&status=B"
    assert link("/", QueryParams(""), text=None) == "/"


def test_places_come_back_as_they_went():
    """A cursor is a place in the list, whatever the id is; what is none is the beginning."""
    place = JobKey(1_750_000_000, "default", "a/b?c&d=é")
    assert decode_cursor(encode_cursor(place), JobKey) == place
    assert [decode_cursor(bad, JobKey) for bad in (None, "", "!", "bm9uZQ", encode_cursor([1, 2]), "é")] == [None] * 6

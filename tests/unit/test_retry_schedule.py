"""The waits before another attempt: what a Retry-After asks for, and backoff after failures."""

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from core_samples import NOW
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.retry_schedule import MAX_RETRY_AFTER, backoff, jittered, requested_wait, retry_after


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        (" ", None),
        ("0", 0.0),
        ("1", 1.0),
        (" 30 ", 30.0),
        ("2.5", 2.5),
        ("3600", 3600.0),
        ("3601", MAX_RETRY_AFTER),
        ("86400", MAX_RETRY_AFTER),
        ("9" * 400, MAX_RETRY_AFTER),
        ("1e999", MAX_RETRY_AFTER),
        ("inf", MAX_RETRY_AFTER),
        ("-1", None),
        ("-0", None),
        ("-inf", None),
        ("nan", None),
        ("NaN", None),
        ("soon", None),
        ("30 seconds", None),
        ("30, 60", None),
        ("0x10", None),
        ("\N{ARABIC-INDIC DIGIT THREE}", None),
        ("Wed, 25 Jun 2025 14:20:44 GMT", 29.688),
        ("Wednesday, 25-Jun-25 14:20:44 GMT", 29.688),
        ("Wed Jun 25 14:20:44 2025", 29.688),
        ("Wed, 25 Jun 2025 16:20:44 +0200", 29.688),
        ("Wed, 25 Jun 2025 14:20:44", 29.688),
        ("Wed, 25 Jun 2025 14:20:14 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 +1400", 0.0),
        ("Wed, 25 Jun 2025 15:20:15 GMT", MAX_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -1200", MAX_RETRY_AFTER),
        ("Wed, 32 Jun 2025 14:20:44 GMT", None),
        ("Wed, 25 Jun 99999 14:20:44 GMT", None),
        ("Wed, 25 Jun 2025 14:20:44 +9999", None),
    ],
)
def test_what_a_retry_after_asks_for(header, seconds):
    """Seconds or any form of HTTP date; a past date asks for nothing, nonsense is no wish, an hour is the most."""
    assert retry_after(header, NOW) == (seconds if seconds is None else pytest.approx(seconds, abs=1e-6))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": " 1500.5 "}, 1.5005),
        ({"retry-after-ms": "0", "retry-after": "7"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "9000", "retry-after": "7"}, 9.0),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "nan", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "", "retry-after": "soon"}, None),
        ({"retry-after-ms": "1, 2"}, None),
        ({"retry-after-ms": "Wed, 25 Jun 2025 14:20:44 GMT"}, None),
        ({"retry-after-ms": "inf"}, MAX_RETRY_AFTER),
        ({"retry-after-ms": "9" * 400}, MAX_RETRY_AFTER),
    ],
)
def test_milliseconds_are_more_precise_than_seconds(headers, seconds):
    """`retry-after-ms` wins over `retry-after` unless it is nonsense, and has the same bounds."""
    assert requested_wait(headers, NOW) == seconds


@pytest.fixture
def far_from_utc(monkeypatch):
    """A machine whose local time is ten hours ahead of UTC."""
    monkeypatch.setenv("TZ", "EAST-10")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_from_utc")
@pytest.mark.parametrize("zone", ["", " GMT", " -0000"])
def test_a_date_without_a_zone_is_utc(zone):
    """What the machine's own zone is makes no difference."""
    assert retry_after(f"Wed, 25 Jun 2025 14:20:44{zone}", NOW) == pytest.approx(29.688)


@given(
    header=st.text()
    | st.floats().map(str)
    | st.integers().map(str)
    | st.from_regex(r"\A\w{3}, \d{1,3} \w{3} \d{1,6} [\d:]+ [+-]?\w*\Z"),
    now=st.integers(0, 253_402_300_799_999),
)
def test_any_header_is_a_wait_or_none(header, now):
    """Whatever stands in the header, the answer is None or between nothing and an hour."""
    seconds = retry_after(header, now)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(ahead=st.integers(-7200, 7200))
def test_a_date_is_counted_from_now(ahead):
    """A date that many seconds ahead asks for that many seconds."""
    whole_now = NOW // 1000 * 1000
    date = format_datetime(datetime.fromtimestamp(whole_now // 1000 + ahead, UTC), usegmt=True)
    assert retry_after(date, whole_now) == min(max(ahead, 0), 3600)


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"),
    [(0, 0.25, 0.5), (1, 0.5, 1), (2, 1, 2), (3, 2, 4), (6, 16, 32), (7, 30, 60), (8, 30, 60), (1000, 30, 60), (10**9, 30, 60)],
)
def test_backoff_doubles_up_to_its_cap(failures, shortest, longest):
    """From half the wait to all of it, the wait twice the last one until the cap; no count of failures overflows."""
    assert backoff(1.0, failures, 60.0, 0.0) == shortest
    assert backoff(1.0, failures, 60.0, 1.0) == longest
    assert backoff(1.0, failures, 60.0, 0.5) == (shortest + longest) / 2


def test_backoff_of_a_base_beyond_the_cap():
    """The cap holds from the first failure."""
    assert backoff(100.0, 1, 60.0, 1.0) == 60


@given(
    base=st.floats(0.001, 3600),
    failures=st.integers(1, 10_000),
    cap=st.floats(0.001, 86_400),
    jitter=st.floats(0, 1),
)
def test_backoff_is_bounded(base, failures, cap, jitter):
    """It is never more than its cap, never less than half of the wait, and never shorter after one failure more."""
    wait = backoff(base, failures, cap, jitter)
    assert min(base, cap) / 2 <= wait <= cap * (1 + 1e-9)
    assert wait <= backoff(base, failures + 1, cap, jitter)
    assert math.isfinite(wait)


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 13.5), (0.25, 14.25), (0.5, 15.0), (1.0, 16.5)])
def test_spread_is_a_tenth_each_way(jitter, expected):
    """The interval itself in the middle, a tenth less and a tenth more at the ends."""
    assert jittered(15.0, jitter) == pytest.approx(expected)
    assert jittered(0.0, jitter) == 0

"""When the weekly maintenance windows of the configuration are, by the clocks of a place."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tracker.core.silences.silence import Scope
from tracker.core.silences.weekly_window import WeeklyWindow, planned_silences

BERLIN = ZoneInfo("Europe/Berlin")  # put forward on 2026-03-29 at 02:00, and back on 2026-10-25 at 03:00
SUN = 6


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def window(start, end=None, *, days=(SUN,), duration=0.0, zone=BERLIN, name="w"):
    return WeeklyWindow(name=name, scope=Scope(), days=days, start=start, end=end, duration=duration, zone=zone)


def spans(made, now):
    """Each silence as UTC."""
    return [
        tuple(f"{datetime.fromtimestamp(moment / 1000, UTC):%m-%d %H:%M}" for moment in (each.starts_at, each.ends_at))
        for each in made.silences(at(now))
    ]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-06-10 12:00", [("06-14 20:00", "06-15 04:00")]),
        ("2026-06-14 19:59", [("06-14 20:00", "06-15 04:00")]),
        ("2026-06-14 20:00", [("06-14 20:00", "06-15 04:00"), ("06-21 20:00", "06-22 04:00")]),
        ("2026-06-15 03:59", [("06-14 20:00", "06-15 04:00"), ("06-21 20:00", "06-22 04:00")]),
        ("2026-06-15 04:00", [("06-21 20:00", "06-22 04:00")]),
    ],
)
def test_one_now_and_the_next(now, expected):
    """There are the window that is in force, also over midnight, and the next one."""
    assert spans(window(time(22), time(6)), now) == expected


@pytest.mark.parametrize(
    ("made", "now", "expected"),
    [
        (window(time(2, 30), time(4)), "2026-03-28 12:00", ("03-29 01:30", "03-29 02:00")),
        (window(time(1), time(2, 30)), "2026-03-28 12:00", ("03-29 00:00", "03-29 01:30")),
        (window(time(2, 30), time(4)), "2026-10-24 12:00", ("10-25 00:30", "10-25 03:00")),
        (window(time(1), time(2, 30)), "2026-10-24 12:00", ("10-24 23:00", "10-25 01:30")),
        (window(time(1), duration=7200.0), "2026-10-24 12:00", ("10-24 23:00", "10-25 01:00")),
        (window(time(22), time(6), days=(5,)), "2026-03-28 12:00", ("03-28 21:00", "03-29 04:00")),
    ],
    ids=["starts in the gap", "ends in the gap", "starts twice", "ends twice", "duration", "over the gap"],
)
def test_nights_in_which_clocks_are_changed(made, now, expected):
    """A time that is left out is an hour later; of two equal ones a window starts at the first and ends at the second."""
    assert spans(made, now)[0] == expected


def test_every_day_and_a_whole_week():
    """Windows may follow each other without a gap, and be a week long."""
    daily = window(time(0), time(0), days=tuple(range(7)), zone=UTC)
    assert spans(daily, "2026-06-10 12:00") == [("06-10 00:00", "06-11 00:00"), ("06-11 00:00", "06-12 00:00")]
    weekly = window(time(0), duration=7 * 86400.0, zone=UTC)
    assert spans(weekly, "2026-06-10 12:00") == [("06-07 00:00", "06-14 00:00"), ("06-14 00:00", "06-21 00:00")]


def test_every_process_plans_the_same():
    """A window has the same id whenever and wherever it is planned; another start, scope or name has another."""
    nights, now = window(time(22), time(6)), at("2026-06-14 21:00")
    first, second = planned_silences([nights], now)
    assert [each.id for each in planned_silences([nights], now + 60_000)] == [first.id, second.id]
    assert first.id != second.id
    assert {each.id for each in planned_silences([window(time(22), time(6), name="v")], now)}.isdisjoint({first.id, second.id})
    assert (first.window, first.created_by, first.reason) == ("w", "maintenance", "maintenance window w")

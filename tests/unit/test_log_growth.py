"""What the log may grow by in a day: an event of each active job at each interval."""

import pytest

from tracker.core.forecast.log_growth import bytes_per_day


@pytest.mark.parametrize(
    ("jobs", "interval", "expected"),
    [(0, 15.0, 0), (1, 86_400.0, 317), (1, 60.0, 456_480), (100, 15.0, 182_592_000)],
)
def test_growth_is_by_jobs_and_interval(jobs, interval, expected):
    """A job that moves at each look logs 317 bytes each time."""
    assert bytes_per_day(jobs, interval) == expected

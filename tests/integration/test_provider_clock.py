"""The provider's clock, which its answers tell: what is news, and when time is up, goes by that."""

import pytest
from sweep_world import HOUR, SweepWorld

from tracker.core.deliveries.retry_schedule import server_time

JUNE_25 = "Wed, 25 Jun 2025 14:20:10 GMT"


@pytest.mark.parametrize("ahead", [-3 * HOUR, 0.0, 3 * HOUR], ids=["behind", "right", "ahead"])
async def test_what_ended_before_the_first_contact_is_no_news(database, ahead):
    """However wrong one of the clocks is, ended jobs are logged and not delivered, and later ends are delivered."""
    world = SweepWorld(database)
    world.ahead = ahead
    async with world.running():
        ended = world.add(5, created=ahead - HOUR, running=60.0)
        later = world.add(2, created=ahead - HOUR, running=2 * HOUR)
        await world.sweep()
        backfilled = {change.known.job.id: change.backfilled for change in world._recorded}
        assert backfilled == dict.fromkeys(ended, True) | dict.fromkeys(later, False)
        report = await world.poller.poll_once()
        assert report.clock_ahead == pytest.approx(ahead, abs=2)
        done, _ = await world.sweep(2 * HOUR)
        assert [event.type for event in done.events] == ["batch.completed"] * 2


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"date": JUNE_25}, 1_750_861_210_000),
        ({"date": JUNE_25, "age": "60"}, 1_750_861_270_000),
        ({"date": JUNE_25, "age": " 60 "}, 1_750_861_270_000),
        ({"date": JUNE_25, "age": "old"}, None),
        ({"date": JUNE_25, "age": "inf"}, None),
        ({"date": JUNE_25, "age": "nan"}, None),
        ({"date": "yesterday"}, None),
        ({"date": ""}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_time_that_an_answer_has(headers, expected):
    """It is the date, and the time for which a cache has kept the answer; a malformed header gives no time."""
    assert server_time(headers) == expected

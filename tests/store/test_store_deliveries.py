"""Reading deliveries: pages that fit together, and indexes that keep them cheap."""

import pytest
from job_changes import SINCE, seen, seen_many

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.queries.filters import DeliveryFilter

SUBSCRIPTIONS = [Subscription(receiver=receiver, events=("*",)) for receiver in ("one", "two", "three")]
EVERYTHING = DeliveryFilter()


@pytest.fixture
async def written(engine):
    """Ten events, each for three receivers; of those to `one` every attempt failed, twice."""
    async with engine.store(SUBSCRIPTIONS) as store:
        await store.record("default", seen_many(10))
        for number in range(2):
            claimed = await store.outbox.claim("one", SINCE * 2, 900.0, 100, ())
            span = (SINCE + number, SINCE + number)
            failed = Outcome(result=Result.NETWORK, detail=f"nul \0 in {number}")
            await store.outbox.settle("one", [settle(each, failed, (1.0,), span, 0.5) for each in claimed], Circuit())
    return engine


def keys(found):
    return [(each["seq"], each["receiver"]) for each in found]


@pytest.mark.parametrize("size", [1, 2, 4, 30, 31])
async def test_pages_fit_together(written, size):
    """However large the pages, all deliveries come once, by seq and receiver, each with its own attempts."""
    async with written.reader() as reader:
        whole = await reader.deliveries((0, ""), EVERYTHING, limit=100)
        assert keys(whole) == sorted((seq, each.receiver) for seq in range(1, 11) for each in SUBSCRIPTIONS)
        found, after = [], (0, "")
        while page := await reader.deliveries(after, EVERYTHING, limit=size):
            found += page
            after = keys(page)[-1]
        assert found == whole
    for each in whole:
        details = [attempt["detail"] for attempt in each["attempts"]]
        assert details == (["nul \0 in 0", "nul \0 in 1"] if each["receiver"] == "one" else [])


@pytest.mark.parametrize("which", [EVERYTHING, DeliveryFilter(receiver="two"), DeliveryFilter(states=("dead",))])
@pytest.mark.parametrize("number", [1, 3, 30, 99])
async def test_the_last_ones(written, number, which):
    """What the last N come after is the one before them, whatever else is filtered."""
    async with written.reader() as reader:
        whole = await reader.deliveries((0, ""), which)
        assert len(whole) in (10, 30)
        after = await reader.start_of_last_deliveries(number, which)
        assert await reader.deliveries(after, which) == whole[-number:]


async def test_job_whose_name_has_a_nul(engine):
    """A job is found by its whole name."""
    async with engine.store(SUBSCRIPTIONS[:1]) as store:
        await store.record("default", [seen("nul\0a"), seen("nul\0b"), seen("nul")])
    async with engine.reader() as reader:
        assert [each["job"] for each in await reader.deliveries((0, ""), DeliveryFilter(job="nul\0b"))] == ["nul\0b"]

"""A log whose beginning was moved into segments: jobs that were over long ago, one after the other."""

from job_changes import CHECKPOINT, SINCE, moved, seen

from tracker.core.events.event import encode_event
from tracker.store.opening import open_store

DAY = 86_400_000
EVENTS = 12


async def write_old_log(path):
    """Four jobs of three events each, a day apart; the events as they were logged."""
    logged = []
    async with open_store(path, notified=lambda event, _: logged.append(encode_event(event))) as store:
        await store.checkpoint("default", CHECKPOINT)
        for number in range(4):
            change = seen(f"old-{number}", now=SINCE + number * DAY, status="RUNNING")
            await store.record("default", [change])
            await store.record("default", [moved(change, now=SINCE + number * DAY + 1000, status="SUCCESS")])
    return logged


async def write_archived_log(path):
    """The same, of which the first two jobs are in a segment; the kept log begins with event 7."""
    logged = await write_old_log(path)
    async with open_store(path) as store:
        assert (await store.move_events(SINCE + 2 * DAY, 0)).first_seq == 7
    return logged

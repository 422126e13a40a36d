"""What every engine promises of old events: none is lost, and where the kept log begins is known."""

from job_changes import CHECKPOINT, SINCE, moved, seen

MONTH = 31 * 86_400_000


async def test_the_kept_log_begins_where_the_moved_events_end(engine):
    """Events that are old and over may be moved; the log then begins with the next one, and its end stays."""
    change = seen("over", status="RUNNING")
    async with engine.store() as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", [change])
        await store.record("default", [moved(change, now=SINCE + 1000, status="SUCCESS")])
        await store.record("default", [seen("new", now=SINCE + MONTH)])
        done = await store.move_events(SINCE + MONTH, 0)
    async with engine.reader() as reader:
        assert await reader.first_seq() == done.first_seq == done.events + 1
        assert await reader.last_seq() == 4
    assert [event["seq"] for event in await engine.log()] == [*range(done.first_seq, 5)]
    assert done.held_by is None

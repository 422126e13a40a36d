"""What any engine owes to the protocol `JobMessages`."""


async def test_card_is_what_was_put_last(engine):
    """Each receiver and stream has a card of its own, which is replaced, and outlives the process."""
    async with engine.store() as store:
        assert await store.job_messages.get("team", "default/job-1") is None
        await store.job_messages.put("team", "default/job-1", "first")
        await store.job_messages.put("team", "default/job-1", "second \0 ✓")
        await store.job_messages.put("other", "default/job-1", "another")
        assert await store.job_messages.get("team", "default/job-1") == "second \0 ✓"
    async with engine.store() as store:
        assert await store.job_messages.get("team", "default/job-1") == "second \0 ✓"
        assert await store.job_messages.get("other", "default/job-1") == "another"
        assert await store.job_messages.get("team", "default/job-2") is None


async def test_card_goes_with_the_deliveries_that_are_moved_away(store):
    """Another receiver may write to another channel: the cards of the one before are forgotten."""
    await store.job_messages.put("old", "default/job-1", "there")
    await store.move_deliveries("old", "new", 1)
    assert await store.job_messages.get("old", "default/job-1") is None

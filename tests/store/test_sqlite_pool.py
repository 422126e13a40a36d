"""A few readers side by side."""

import anyio
import pytest
from job_changes import seen_many

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import JobFilter
from tracker.store.opening import READERS, open_reader_pool, open_store


@pytest.fixture
async def written(path):
    async with open_store(path) as store:
        await store.record("default", seen_many(3))
    return path


async def test_slow_query_delays_no_other_reader(written):
    """While all readers but one are busy, that one answers; a query that takes too long is ended, and its reader replaced."""
    slow = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    async with open_reader_pool(written, lease_seconds=1.0) as pool:

        async def look_slowly():
            with pytest.raises(StorageError, match="within 1 s"):
                async with pool.reader() as reader:
                    await reader._all(slow)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                for _ in range(READERS - 1):
                    group.start_soon(look_slowly)
                for _ in range(20):
                    async with pool.reader() as reader:
                        assert await reader.last_seq() > 0
            for _ in range(READERS):
                async with pool.reader() as reader:
                    assert len((await reader.jobs_page(None, JobFilter(), 5)).jobs) == 3
        assert len(pool._idle) == 1


async def test_a_reader_that_fails_is_not_kept(written):
    """After an error the next consumer gets a new reader; an exception of the consumer's own costs none."""
    async with open_reader_pool(written) as pool:
        async with pool.reader() as first:
            pass
        with pytest.raises(LookupError):
            async with pool.reader() as second:
                raise LookupError("the consumer's own")
        with pytest.raises(StorageError):
            async with pool.reader() as third:
                await third._all("SELECT nonsense")
        async with pool.reader() as fourth:
            assert await fourth.last_seq() > 0
    assert first is second is third
    assert fourth is not third

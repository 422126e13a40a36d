"""What a command reads once is what any other reader has, on each engine."""

import anyio
import pytest
from job_changes import moved, seen

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import Span
from tracker.store.opening import read_once

READS = {
    "events": lambda reader: reader.events(0, EventFilter()),
    "a page of them": lambda reader: reader.events_page(Span(newest_first=True), EventFilter(types=("batch.s*",)), 3),
    "jobs": lambda reader: reader.jobs_page(None, JobFilter(model="mistral-*"), 3),
    "their numbers": lambda reader: reader.job_counts(),
    "deliveries": lambda reader: reader.deliveries((0, ""), DeliveryFilter()),
    "names": lambda reader: reader.names(),
    "replicas": lambda reader: reader.replicas(),
    "leases": lambda reader: reader.leases(),
    "the last sweep": lambda reader: reader.last_sweep(),
}


async def _fill(engine):
    async with engine.store() as store:
        change = seen("one", model="mistral-small")
        await store.record("default", [change, seen("two")])
        await store.record("default", [moved(change, status="RUNNING")])


async def _read(engine, read):
    async with engine.reader() as reader:
        return await read(reader)


def test_what_is_read_once_is_what_another_reader_has(engine):
    """Each read gives the same, and so do several reads of one reader."""
    anyio.run(_fill, engine)
    for what, read in READS.items():
        assert read_once(engine.address, read) == anyio.run(_read, engine, read), what
    assert len(read_once(engine.address, READS["events"])) == 3

    async def both(reader):
        return await reader.last_seq(), await reader.last_seq()

    assert read_once(engine.address, both) == (3, 3)


def test_error_of_what_is_read_is_raised(engine):
    """An error within the read reaches the caller as it is."""
    anyio.run(_fill, engine)

    async def failing(_reader):
        raise StorageError("this one")

    with pytest.raises(StorageError, match="this one"):
        read_once(engine.address, failing)

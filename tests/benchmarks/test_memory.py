"""What an active job costs in memory: as the store remembers it, and as the official client's model."""

import gc
import tracemalloc

import msgspec
import pytest
from canned import page
from mistralai.client.models import ListBatchJobsResponse

from tracker.core.diff import Known
from tracker.core.job import parse_page
from tracker.store.sharing import Sharing

pytestmark = pytest.mark.no_cover  # counting lines would be what is measured

JOBS = 2_000


def test_memory_of_active_jobs(count):
    """The same jobs, read from the same pages and kept by their ids (target: a fifth of the official client's)."""
    bodies = [page(JOBS, first) for first in range(0, JOBS, 100)]

    def ours():
        sharing = Sharing()
        return {job.id: Known(sharing.lean(job)) for body in bodies for job in parse_page(body).jobs}

    def theirs():
        return {job.id: job for body in bodies for job in ListBatchJobsResponse.model_validate_json(body).data}

    def values():
        return {job["id"]: job for body in bodies for job in msgspec.json.decode(body)["data"]}

    counted = count("bytes of an active job in memory")
    sizes = {way: _size(make) for way, make in (("official client", theirs), ("dicts", values), ("ours", ours))}
    for way, size in sizes.items():
        counted.note(way, size)
    assert sizes["ours"] < 0.4 * sizes["official client"]


def _size(make):
    make()  # what is made once is made
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == JOBS
    return size / JOBS

"""The short form of a job's ID."""

import pytest

from tracker.core.jobs.short_id import short_id


@pytest.mark.parametrize(
    ("job_id", "short"),
    [
        ("5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11", "5e8e2a1c"),
        ("abcdefab-0a6c-4a5c-9a77-0d0b6a1f3c11", "abcdefab"),
        ("batch_68b1c2d3e4f5", "batch_68b1c2d3"),
        ("msgbatch_013Zva2CMHLNnXjNJJKqJ2EF", "msgbatch_013Zva2C"),
        ("batches/kq3v0sjytj7n2x9", "batches/kq3v0sjy"),
        ("batch_1", "batch_1"),
        ("", ""),
    ],
)
def test_a_short_id_distinguishes_jobs(job_id, short):
    """It is a beginning of the ID that is more than the prefix which all IDs of a vendor have."""
    assert short_id(job_id) == short

"""Owns how the database has progress that was seen and is not logged yet: beside the job as its last event has it.

It is what of the job differs, with the seq of that event: a program of an earlier version that logs a further one need not know
of it. Readers show the job as it was last seen.
"""

from typing import Any, Final

import msgspec

from tracker.core.events.event import iso, parse_iso
from tracker.core.events.job_diff import Known, Unlogged
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job
from tracker.store.records.job_codec import stored_job

PROGRESS_COLUMN: Final = "CASE WHEN {0}progress_of = {0}seq THEN {0}progress END"
"""The column as it is read: NULL where the log has it all; `{0}` is empty or the name of the table with a dot."""

PROGRESS: Final = PROGRESS_COLUMN.format("")


class StoredProgress(msgspec.Struct, frozen=True, array_like=True):
    """What differs from the job as it is logged, and when it was seen (Unix milliseconds)."""

    seen_at: int
    data: dict[str, Any]


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(StoredProgress).decode


def encode_progress(known: Known) -> str | None:
    """The value of the column; None if the log has it all."""
    if known.unlogged is None:
        return None
    logged, seen = known.logged.to_data(), known.job.to_data()
    data = {name: value for name, value in seen.items() if name not in logged or logged[name] != value}
    return _encode(StoredProgress(known.unlogged.seen_at, data)).decode()


def known_job(job_id: str, data: str, observed_at: str, progress: str | None, *, deleted: bool = False) -> Known:
    """The job of a row; raises `StorageError` if it cannot be read."""
    logged, logged_at = stored_job(job_id, data), parse_iso(observed_at)
    if progress is None:
        return Known(logged, deleted, logged_at)
    stored = _decode(progress)
    seen = read_job(logged.to_data() | stored.data)
    if type(seen) is not Job:  # then the API shows it again
        return Known(logged, deleted, logged_at)
    return Known(seen, deleted, logged_at, Unlogged(logged, stored.seen_at))


def newer_values(progress: str | None) -> dict[str, Any]:
    """The properties that differ from the job as it is logged."""
    return {} if progress is None else _decode(progress).data


def last_seen(job: dict[str, Any], observed_at: str, progress: str | None) -> tuple[dict[str, Any], str]:
    """The JSON of a job as it was last seen, and when that was, by that of the log."""
    if progress is None:
        return job, observed_at
    stored = _decode(progress)
    return job | stored.data, iso(stored.seen_at)


def last_seen_at(observed_at: str, progress: str | None) -> int:
    """When the job moved last (Unix milliseconds), by when the log has it moving last."""
    moved_at = parse_iso(observed_at)
    return moved_at if progress is None else max(moved_at, _decode(progress).seen_at)

"""Owns decoding what time limits are checked against: the stored jobs and events, beside the queries that find them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, Reminder
from tracker.core.events.time_limits import ActiveJobStatus
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import parse_job, read_job
from tracker.store.records.unlogged_progress import last_seen_at

STATUSES_PER_PAGE: Final = 500
"""Few enough that reading a page delays no other task for long."""

decode_event: Final = msgspec.json.Decoder(Event).decode


def decode_statuses(rows: Iterable[Sequence[Any]]) -> list[ActiveJobStatus]:
    """Of rows of id, data, progress, when it last moved, its `batch.stalled` since, whether it was warned: the readable jobs.

    The job is as the log has it, since an event about it is; it moved when that was last seen.
    """
    read = ((parse_job(data.encode()), progress, *rest) for _, data, progress, *rest in rows if rest[0] is not None)
    return [
        ActiveJobStatus(
            job=job, moved_at=last_seen_at(moved_at, progress), reminder=_next_reminder(stalled), warned=bool(warned)
        )
        for job, progress, moved_at, stalled, warned in read
        if isinstance(job, Job)
    ]


def _next_reminder(stalled: str | None) -> Reminder | None:
    return None if stalled is None else Reminder.after(decode_event(stalled))


def shows_job(event: Event, data: str) -> bool:
    """Whether the event has the job of `data`, which is stored, as it is."""
    return parse_job(data.encode()) == read_job(event.data)

"""Owns decoding what time limits are checked against: the stored jobs and events, beside the queries that find them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, Reminder, parse_iso
from tracker.core.events.time_limits import ActiveJobStatus
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import parse_job, read_job

STATUSES_PER_PAGE: Final = 500
"""Few enough that reading a page delays no other task for long."""

decode_event: Final = msgspec.json.Decoder(Event).decode


def decode_statuses(rows: Iterable[Sequence[Any]]) -> list[ActiveJobStatus]:
    """Of rows of id, data, when it last moved, its `batch.stalled` since and whether it was warned: those of readable jobs."""
    read = ((parse_job(data.encode()), *rest) for _, data, *rest in rows if rest[0] is not None)
    return [
        ActiveJobStatus(job=job, moved_at=parse_iso(moved_at), reminder=_next_reminder(stalled), warned=bool(warned))
        for job, moved_at, stalled, warned in read
        if isinstance(job, Job)
    ]


def _next_reminder(stalled: str | None) -> Reminder | None:
    return None if stalled is None else Reminder.after(decode_event(stalled))


def shows_job(event: Event, data: str) -> bool:
    """Whether the event has the job of `data`, which is stored, as it is."""
    return parse_job(data.encode()) == read_job(event.data)

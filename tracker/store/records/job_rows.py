"""Owns how the job of a change becomes a row, numbered by the change's last event; and what was only seen of others."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Final

import msgspec

from tracker.core.events.job_diff import Change
from tracker.store.records.unlogged_progress import encode_progress

JobRow = tuple[str, str, str, bool, bool, int, str, str, int, str]
"""account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data"""

ProgressRow = tuple[str, str, str | None]
"""account, id, and what was seen and is not logged; None if there is nothing any more"""

_encode: Final = msgspec.json.Encoder().encode


def job_rows(changes: Sequence[Change], first_seq: int) -> Iterator[JobRow]:
    """A row for each change, which has events; those of all are numbered from `first_seq` on."""
    last_seqs = accumulate((len(change.events) for change in changes), initial=first_seq - 1)
    return (_job_row(change, seq) for change, seq in zip(changes, islice(last_seqs, 1, None), strict=True))


def logged_changes(changes: Sequence[Change]) -> list[Change]:
    """Those with events."""
    return [change for change in changes if change.events]


def progress_rows(changes: Sequence[Change]) -> list[ProgressRow]:
    """A row for each job of which something was only seen by the last of its changes, or is over.

    They are written after the rows of the jobs, each of which has nothing that was only seen.
    """
    last = {change.known.job.id: change for change in changes}
    seen = (change for change in last.values() if change.known.unlogged or not change.events)
    return [(change.account, change.known.job.id, encode_progress(change.known)) for change in seen]


def _job_row(change: Change, seq: int) -> JobRow:
    known, job = change.known, change.known.logged
    first, last = change.events[0].observed_at, change.events[-1].observed_at
    data = _encode(job.to_data()).decode()
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, first, last, seq, data
    )  # fmt: skip

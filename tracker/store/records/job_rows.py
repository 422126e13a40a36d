"""Owns how the job of a change becomes a row, numbered by the change's last event."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Final

import msgspec

from tracker.core.events.job_diff import Change

JobRow = tuple[str, str, str, bool, bool, int, str, str, int, str]
"""account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data"""

_encode: Final = msgspec.json.Encoder().encode


def job_rows(changes: Sequence[Change], first_seq: int) -> Iterator[JobRow]:
    """A row for each change; the events of all are numbered from `first_seq` on."""
    last_seqs = accumulate((len(change.events) for change in changes), initial=first_seq - 1)
    return (_job_row(change, seq) for change, seq in zip(changes, islice(last_seqs, 1, None), strict=True))


def _job_row(change: Change, seq: int) -> JobRow:
    known, job = change.known, change.known.job
    first, last = change.events[0].observed_at, change.events[-1].observed_at
    data = _encode(job.to_data()).decode()
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, first, last, seq, data
    )  # fmt: skip

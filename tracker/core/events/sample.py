"""Owns a sample of each event type, as the daemon makes them of a job that does not exist: for a receiver to be tried with."""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.core.events.event import Event, batch_event, iso, plain_event
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.types import BY_NAME
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, FAILED, QUEUED, RUNNING, SUCCESS, is_terminal

_NOTE: Final = "sent by batch-tracker send-test; there is no such job"
_TOTAL: Final = 10

_STATUSES: Final = {
    "batch.created": (None, QUEUED),
    "batch.started": (QUEUED, RUNNING),
    "batch.cancelled": (CANCELLATION_REQUESTED, CANCELLED),
    "batch.unrecognized": (RUNNING, "PAUSED"),
}
"""What the job was and is; of other types it was RUNNING, and has the status of the type if that has one."""

_DONE: Final = {QUEUED: (0, 0), SUCCESS: (_TOTAL, 0), FAILED: (4, 4)}
"""How many requests of a job in this status have succeeded and failed; of others (6, 0)."""


def sample_event(type_: str, account: str, at: int, unique: str) -> Event:
    """An event of this type at `at` (Unix milliseconds) that says that it is a test, by its id and its data.

    Its seq is the first that there is, so that a consumer who keeps the last seq that it has seen misses no event for it.
    """
    event = _of_job(type_, account, at, f"test-{unique}") if BY_NAME[type_].subject == "batch" else _of_none(type_, account, at)
    return msgspec.structs.replace(event, id=f"evt_test_{unique}", seq=1)


def _of_job(type_: str, account: str, at: int, job_id: str) -> Event:
    before, after = _STATUSES.get(type_) or (RUNNING, BY_NAME[type_].status or RUNNING)
    job = _job(job_id, after, at)
    if before is None:
        return first_seen(account, job, at).events[0]
    known = Known(_before(type_, _job(job_id, before, at)))
    if type_ == "batch.deleted":
        return deletion(account, known, at).events[0]
    change = diff(account, known, job, at)
    return change.events[0] if change else batch_event(type_, account, job, {}, at)


def _before(type_: str, job: Job) -> Job:
    """The job as it was before an event that leaves its status as it is."""
    if type_ == "batch.progress":
        return msgspec.structs.replace(job, completed_requests=4, succeeded_requests=4)
    if type_ == "batch.updated":
        return msgspec.structs.replace(job, metadata=None)
    return job


def _of_none(type_: str, account: str, at: int) -> Event:
    """An event about an account, or about another receiver."""
    about: dict[str, Any] = {
        "reason": "network",
        "detail": "this is a test: batch-tracker send-test",
        "since": iso(at - 300_000),
    }
    if BY_NAME[type_].subject == "account":
        return plain_event(type_, account, {"account": account, **about}, at)
    return plain_event(type_, "", {"receiver": "test", **about}, at)


def _job(job_id: str, status: str, at: int) -> Job:
    succeeded, failed = _DONE.get(status, (6, 0))
    return Job(
        id=job_id,
        status=status,
        input_files=(),
        endpoint="/v1/chat/completions",
        model="mistral-small-latest",
        output_file=f"{job_id}-output" if status == SUCCESS else None,
        created_at=at // 1000 - 90,
        started_at=None if status == QUEUED else at // 1000 - 60,
        completed_at=at // 1000 if is_terminal(status) else None,
        metadata={"test": _NOTE},
        total_requests=_TOTAL,
        completed_requests=succeeded + failed,
        succeeded_requests=succeeded,
        failed_requests=failed,
        errors=[{"message": "this is a test", "count": failed}] if status == FAILED else UNSET,
        extra={"test": True},
    )

"""Owns a sample of each event type, about a job that does not exist, for testing a receiver."""

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
"""The statuses before and after. With other types the job was RUNNING, and has the status of the type if there is one."""

_COUNTERS: Final = {QUEUED: (0, 0), SUCCESS: (_TOTAL, 0), FAILED: (4, 4)}
"""How many requests of a job with this status have succeeded and failed; (6, 0) for other statuses."""


def sample_event(type_: str, account: str, at: int, unique: str) -> Event:
    """An event of this type at `at` (Unix milliseconds) whose id and data say that it is a test.

    Its `seq` is 1, so that a consumer that remembers the last `seq` misses no real event after it.
    """
    event = (
        _of_job(type_, account, at, f"test-{unique}") if BY_NAME[type_].subject == "batch" else _of_other(type_, account, at)
    )
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
    """The job before an event that does not change its status."""
    if type_ == "batch.progress":
        return msgspec.structs.replace(job, completed_requests=4, succeeded_requests=4)
    if type_ == "batch.updated":
        return msgspec.structs.replace(job, metadata=None)
    return job


def _of_other(type_: str, account: str, at: int) -> Event:
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
    succeeded, failed = _COUNTERS.get(status, (6, 0))
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

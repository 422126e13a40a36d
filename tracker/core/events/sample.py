"""Owns a sample of each event type, about a job that does not exist, for testing a receiver."""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.core.events.event import Event, batch_event, iso, plain_event
from tracker.core.events.event_type_table import BY_NAME, REPLICA_TYPES, RESULT_TYPES, SILENCE_TYPES
from tracker.core.events.failure_share import AT_RISK
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.events.result_events import result_events
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, FAILED, QUEUED, RUNNING, SUCCESS, is_terminal
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage

_NOTE: Final = "sent by batch-tracker send-test; there is no such job"
_DETAIL: Final = "this is a test: batch-tracker send-test"
_TOTAL: Final = 10

_STATUSES: Final = {
    "batch.created": (None, QUEUED),
    "batch.started": (QUEUED, RUNNING),
    "batch.cancelled": (CANCELLATION_REQUESTED, CANCELLED),
    "batch.unrecognized": (RUNNING, "PAUSED"),
}
"""The statuses before and after. With other types the job was RUNNING, and has the status of the type if there is one."""

_FAILURES: Final = FailureGroup(
    status=422, code="invalid_request_error", message="this is a test", count=2, custom_ids=("3", "7"), sample="this is a test"
)

_COUNTERS: Final = {QUEUED: (0, 0), SUCCESS: (_TOTAL, 0), FAILED: (4, 4)}
"""Numbers of succeeded and failed requests by status; (6, 0) for other statuses."""


def sample_event(type_: str, account: str, at: int, unique: str) -> Event:
    """An event of this type at `at` (Unix milliseconds) whose id and data say that it is a test.

    Its `seq` is 1, so that a consumer that remembers the last `seq` misses no real event after it.
    """
    event = (
        _of_job(type_, account, at, f"test-{unique}") if BY_NAME[type_].subject == "batch" else _of_other(type_, account, at)
    )
    return msgspec.structs.replace(event, id=f"evt_test_{unique}", seq=1)


def _of_job(type_: str, account: str, at: int, job_id: str) -> Event:
    if type_ == AT_RISK:
        return _of_risk(account, _job(job_id, RUNNING, at), at)
    before, after = _STATUSES.get(type_) or (RUNNING, BY_NAME[type_].status or RUNNING)
    job = _job(job_id, after, at)
    if before is None:
        return first_seen(account, job, at).events[0]
    if type_ in RESULT_TYPES:
        return _of_results(type_, account, _job(job_id, SUCCESS, at), at)
    known = Known(_before(type_, _job(job_id, before, at)))
    if type_ == "batch.deleted":
        return deletion(account, known, at).events[0]
    change = diff(account, known, job, at)
    return change.events[0] if change else batch_event(type_, account, job, {}, at)


def _of_risk(account: str, job: Job, at: int) -> Event:
    """The event with which two thirds of the requests that are done have failed."""
    errors = [{"message": "this is a test", "count": 20}]
    counters = {"total_requests": 100, "completed_requests": 30, "succeeded_requests": 10, "failed_requests": 20}
    failing = msgspec.structs.replace(job, **counters, errors=errors)
    return batch_event(AT_RISK, account, failing, {}, at)


def _before(type_: str, job: Job) -> Job:
    """The job before an event that does not change its status."""
    if type_ == "batch.progress":
        return msgspec.structs.replace(job, completed_requests=4, succeeded_requests=4)
    if type_ == "batch.updated":
        return msgspec.structs.replace(job, metadata=None)
    return job


def _of_results(type_: str, account: str, job: Job, at: int) -> Event:
    """The event of this type among those of an output file that was archived, and an error file that was deleted before."""
    job = msgspec.structs.replace(job, succeeded_requests=8, failed_requests=2, error_file=f"{job.id}-errors")
    used = ModelUsage(requests=8, prompt_tokens=640, completion_tokens=1280, total_tokens=1920)
    results = Results(
        account=account,
        job_id=job.id,
        archived_at=at,
        files=(
            ArchivedFile(
                kind="output",
                file_id=f"{job.id}-output",
                bytes=10_240,
                sha256="0" * 64,
                lines=_TOTAL,
                location=f"file:///var/lib/batch-tracker/results/{account}/{job.id}/{job.id}-output.jsonl.zst",
            ),
        ),
        missing=(MissingFile(kind="error", file_id=f"{job.id}-errors", reason="gone", detail="the API has no such file"),),
        digest=Digest(failed=2, groups=(_FAILURES,)),
        usage=Usage(total=used, by_model={"mistral-small-latest": used}),
        cost=Cost(amounts={"EUR": "0.0003"}),
    )
    return next(event for event in result_events(results, job) if event.type == type_)


def _of_other(type_: str, account: str, at: int) -> Event:
    """An event about an account, about another receiver, about a replica, or about a silence."""
    if type_ in REPLICA_TYPES:
        return _of_replica(type_, at)
    if type_ in SILENCE_TYPES:
        return _of_silence(type_, account, at)
    about: dict[str, Any] = {
        "reason": "network",
        "detail": _DETAIL,
        "since": iso(at - 300_000),
    }
    if BY_NAME[type_].subject == "account":
        return plain_event(type_, account, {"account": account, **about}, at)
    if type_ == "receiver.failing":
        about |= {"waiting": 3, "dead_at": iso(at + 136_000_000)}
    return plain_event(type_, "", {"receiver": "test", **about}, at)


def _of_replica(type_: str, at: int) -> Event:
    data: dict[str, Any] = {"replica": "test", "version": _DETAIL, "since": iso(at)}
    if type_ == "replica.lost":
        data |= {"since": iso(at - 300_000), "accounts": 1, "receivers": 1}
    return plain_event(type_, "", data, at)


def _of_silence(type_: str, account: str, at: int) -> Event:
    data: dict[str, Any] = {
        "silence": "sil_test",
        "reason": _DETAIL,
        "scope": "everything",
        "created_by": "command",
        "since": iso(at - 3_600_000),
        "until": iso(at),
    }
    if type_ == "silence.ended":
        job = {"account": account, "id": "test", "type": "batch.failed", "seq": 1, "at": iso(at - 60_000), "status": FAILED}
        missed = {"missed": 3, "types": {"batch.failed": 1, "batch.completed": 2}, "receivers": {"test": 3}}
        data |= {"ended_at": iso(at), **missed, "jobs": [job], "jobs_omitted": 2}
    return plain_event(type_, "", data, at)


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

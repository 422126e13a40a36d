"""Owns the digest: a burst of events as one message of Slack."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from tracker.core.events.event import outcome
from tracker.core.events.summary import why
from tracker.core.jobs.status import CANCELLED, FAILED, SUCCESS, TIMEOUT_EXCEEDED, is_terminal
from tracker.core.jobs.title import job_title
from tracker.delivery.notifiers.slack.blocks import Payload, facts, header, line, listed, payload
from tracker.delivery.notifiers.slack.messages import EventJson, headline, job_of, message

NAMED: Final = 10
"""Of a digest by name; the others are counted."""

_LONGEST_REASON: Final = 100
"""Characters, so that the line has room for the job."""

_KINDS: Final[Mapping[str, str]] = {
    "account.unreachable": "Out of reach",
    "receiver.failing": "Taking no deliveries",
    "all_failed": "Completed with every request failed",
    FAILED: "Failed",
    TIMEOUT_EXCEEDED: "Ran out of time",
    "batch.stalled": "Without progress",
    "batch.deadline": "Running out of time",
    "partial": "Completed in part",
    "empty": "Completed without a request",
    CANCELLED: "Cancelled",
    "batch.unrecognized": "With a status that nobody knows",
    "batch.deleted": "Deleted",
    "batch.cancelling": "Being cancelled",
    "success": "Succeeded",
    "batch.progress": "In progress",
    "batch.started": "Started",
    "batch.created": "Created",
    "batch.updated": "Updated",
    "account.recovered": "Within reach again",
    "receiver.recovered": "Taking deliveries again",
    "other": "Other",
}
"""What is counted, the worst first."""

_RANKS: Final = {kind: rank for rank, kind in enumerate(_KINDS)}


def digest(events: Sequence[EventJson]) -> Payload:
    """How the jobs of `events` (at least one, in the log's order) stand after them, and what else happened; the worst first."""
    latest = list({_subject(event): event for event in events}.values())
    if len(latest) == 1:
        return message(latest[0])
    ranked = sorted(latest, key=lambda event: _RANKS[_kind(event)])
    counts = Counter(map(_kind, ranked))
    title = _title(ranked)
    said = ", ".join(f"{count:,} {_KINDS[kind].lower()}" for kind, count in counts.items())
    blocks = [
        header(title),
        *facts(*((_KINDS[kind], f"{count:,}") for kind, count in counts.items())),
        *listed("Among them" if len(ranked) > NAMED else "These", _named(ranked)),
    ]
    return payload(line(f"{title}: {said}"), blocks)


def _subject(event: EventJson) -> tuple[object, ...]:
    """What an event is about; of several events about the same the last one stands for all."""
    job = job_of(event)
    return (
        (event["account"], job.id)
        if job
        else (event["type"].partition(".")[0], event["account"], event["data"].get("receiver"))
    )


def _kind(event: EventJson) -> str:
    job = job_of(event)
    if job and is_terminal(job.status):
        return outcome(job) if job.status == SUCCESS else job.status
    return event["type"] if event["type"] in _KINDS else "other"


def _title(ranked: Sequence[EventJson]) -> str:
    jobs = [job for job in map(job_of, ranked) if job]
    other = len(ranked) - len(jobs)
    ended = " ended" if jobs and all(is_terminal(job.status) for job in jobs) else ""
    batches = [_number(len(jobs), "batch", "batches") + ended] if jobs else []
    return " and ".join([*batches, _number(other, "other event", "other events")] if other else batches)


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _named(ranked: Sequence[EventJson]) -> list[str]:
    named = [_name(event) for event in ranked[:NAMED]]
    return [*named, f"and {len(ranked) - NAMED:,} more"] if len(ranked) > NAMED else named


def _name(event: EventJson) -> str:
    job = job_of(event)
    if job is None:
        return headline(event)
    data = event["data"]
    return " · ".join(filter(None, (headline(event), why(data, _LONGEST_REASON), job_title(data), job.model, job.id)))

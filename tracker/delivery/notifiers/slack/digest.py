"""Owns the digest: a burst of events as one message of Slack."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tracker.core.events.event import outcome
from tracker.core.events.summary import failure_reason
from tracker.core.events.types import BY_NAME, TYPE_OF_STATUS
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.jobs.title import job_title
from tracker.delivery.notifiers.slack.blocks import Payload, fields, header, line, payload, titled_list
from tracker.delivery.notifiers.slack.messages import EventJson, headline, job_of, message

MAX_NAMED: Final = 10
"""Events that a digest names; the others are counted."""

_MAX_REASON: Final = 100
"""Characters, so that the line has room for the job too."""


class _Count(NamedTuple):
    """What events are counted as; the lowest rank comes first."""

    rank: int
    words: str


_OF_OUTCOMES: Final[Mapping[str, _Count]] = {
    "all_failed": _Count(15, "Completed with every request failed"),
    "partial": _Count(35, "Completed in part"),
    "empty": _Count(36, "Completed without a request"),
    "success": _Count(50, "Succeeded"),
}
_OTHER: Final = _Count(90, "Other")


def digest(events: Sequence[EventJson]) -> Payload:
    """The state of the jobs after `events` (at least one, in the log's order), and other events; the most urgent first."""
    latest = list({_subject(event): event for event in events}.values())
    if len(latest) == 1:
        return message(latest[0])
    ranked = sorted(latest, key=lambda event: _counted_as(event).rank)
    numbers = {each.words: number for each, number in Counter(map(_counted_as, ranked)).items()}
    title = _title(ranked)
    summary = ", ".join(f"{number:,} {words.lower()}" for words, number in numbers.items())
    blocks = [
        header(title),
        *fields(*((words, f"{number:,}") for words, number in numbers.items())),
        *titled_list("Among them" if len(ranked) > MAX_NAMED else "These", _named(ranked)),
    ]
    return payload(line(f"{title}: {summary}"), blocks)


def _subject(event: EventJson) -> tuple[object, ...]:
    """The subject of an event; of several events with the same subject the last one counts."""
    job = job_of(event)
    return (
        (event["account"], job.id)
        if job
        else (event["type"].partition(".")[0], event["account"], event["data"].get("receiver"))
    )


def _counted_as(event: EventJson) -> _Count:
    """What an event is counted as. A job that has ended counts as its end, whatever the type of the event."""
    job = job_of(event)
    if job and job.status == SUCCESS:
        return _OF_OUTCOMES[outcome(job)]
    type_ = TYPE_OF_STATUS[job.status] if job and is_terminal(job.status) else BY_NAME.get(event["type"])
    return _Count(type_.rank, type_.counted_as) if type_ else _OTHER


def _title(ranked: Sequence[EventJson]) -> str:
    jobs = [job for job in map(job_of, ranked) if job]
    other = len(ranked) - len(jobs)
    ended = " ended" if jobs and all(is_terminal(job.status) for job in jobs) else ""
    batches = [_number(len(jobs), "batch", "batches") + ended] if jobs else []
    return " and ".join([*batches, _number(other, "other event", "other events")] if other else batches)


def _number(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _named(ranked: Sequence[EventJson]) -> list[str]:
    named = [_name(event) for event in ranked[:MAX_NAMED]]
    return [*named, f"and {len(ranked) - MAX_NAMED:,} more"] if len(ranked) > MAX_NAMED else named


def _name(event: EventJson) -> str:
    job = job_of(event)
    if job is None:
        return headline(event)
    data = event["data"]
    return " · ".join(filter(None, (headline(event), failure_reason(data, _MAX_REASON), job_title(data), job.model, job.id)))

"""Owns the digest: what a burst of events comes to, the most urgent first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from tracker.core.events.event import outcome
from tracker.core.events.event_type_table import BY_NAME, RESULT_TYPES, TYPE_OF_STATUS
from tracker.core.events.headline import EventJson, headline, job_of
from tracker.core.events.summary import failure_reason
from tracker.core.jobs.native import named_vendor
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.jobs.title import job_title

MAX_NAMED: Final = 10
"""Events that a digest names; the others are counted."""

_MAX_REASON: Final = 100
"""Characters, so that the line has room for the job too."""


class EventDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A burst in words: "50 batches ended", how many of each kind, and a line for each of the first events.

    `counts` has such as ("Failed", 3); `heading` stands above `named`, whose lines are about the events `first`, and one more
    counts the others, if there are any. Text from elsewhere is as it came.
    """

    title: str
    counts: tuple[tuple[str, int], ...]
    heading: str
    named: tuple[str, ...]
    first: tuple[EventJson, ...]

    @property
    def summary(self) -> str:
        """The counts in one line: "3 failed, 44 succeeded"."""
        return ", ".join(f"{number:,} {words.lower()}" for words, number in self.counts)


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


def latest_of_subjects(events: Sequence[EventJson]) -> list[EventJson]:
    """The last event about each job, account, receiver, replica or silence; `events` are in the log's order."""
    return list({_subject(event): event for event in events}.values())


def digest_events(latest: Sequence[EventJson]) -> EventDigest:
    """The digest of events about different subjects."""
    ranked = sorted(latest, key=lambda event: _counted_as(event).rank)
    numbers = Counter(map(_counted_as, ranked))
    return EventDigest(
        title=_title(ranked),
        counts=tuple((each.words, number) for each, number in numbers.items()),
        heading="Among them" if len(ranked) > MAX_NAMED else "These",
        named=tuple(_named(ranked)),
        first=tuple(ranked[:MAX_NAMED]),
    )


def _subject(event: EventJson) -> tuple[object, ...]:
    """The subject of an event; of several events with the same subject the last one counts."""
    job = job_of(event)
    if job is None:
        subject = event["type"].partition(".")[0]
        return subject, event["account"], event["data"].get(subject)
    return (event["account"], job.id, event["type"]) if event["type"] in RESULT_TYPES else (event["account"], job.id)


def _counted_as(event: EventJson) -> _Count:
    """What an event is counted as. A job that has ended counts as its end, unless the event is about its results."""
    job = None if event["type"] in RESULT_TYPES else job_of(event)
    if job and job.status == SUCCESS:
        return _OF_OUTCOMES[outcome(job)]
    type_ = TYPE_OF_STATUS[job.status] if job and is_terminal(job.status) else BY_NAME.get(event["type"])
    return _Count(type_.rank, type_.counted_as) if type_ else _OTHER


def _title(ranked: Sequence[EventJson]) -> str:
    about_jobs = [(event["account"], job) for event in ranked if (job := job_of(event))]
    jobs = {(account, job.id): job for account, job in about_jobs}.values()
    other = len(ranked) - len(about_jobs)
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
    about = (failure_reason(data, _MAX_REASON), job_title(data), job.model, named_vendor(data))
    return " · ".join(filter(None, (headline(event), *about, job.id)))

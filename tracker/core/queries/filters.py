"""Owns the filters of jobs, events and deliveries, and which of their conditions are checked row by row.

Globs are those of a receiver's `match`: `*`, `?`, `[abc]`, `[!abc]`, case and all.
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tracker.core.events.types import TYPES
from tracker.core.jobs.status import QUEUED, is_terminal


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs; nothing given means all.

    `model` and `endpoint` are globs, `prefix` begins an id, `text` is in its id, model, endpoint, agent or metadata, in small
    letters or capitals; the job was created after `created_after` and before `created_before` (Unix seconds). `by_end` wants
    those alone that are over, the last to end first; without it the newest come first.
    """

    account: str | None = None
    statuses: Sequence[str] = ()
    active: bool | None = None
    model: str | None = None
    endpoint: str | None = None
    prefix: str = ""
    text: str = ""
    created_after: int | None = None
    created_before: int | None = None
    by_end: bool = False

    @property
    def looks_inside(self) -> bool:
        """Whether `takes` decides anything."""
        return self.model is not None or self.endpoint is not None or bool(self.text)

    @property
    def passes_over(self) -> bool:
        """Whether a scan by the best index may return jobs that the filter excludes."""
        if self.by_end:
            has_bounds = self.created_after is not None or self.created_before is not None
            return bool(self.prefix) or has_bounds or (self.account is not None and bool(self.statuses))
        return self.account is not None or bool(self.prefix) or self.active is False

    def takes(self, job: "JobFacts") -> bool:
        """Whether it wants a job of which everything but the globs and the text was seen to."""
        matches = _matches(self.model, job.model) and _matches(self.endpoint, job.endpoint)
        return matches and (not self.text or self.text.casefold() in _words_of(job))


def in_turn(which: JobFilter, known: Iterable[str]) -> list[JobFilter]:
    """`which` in the order in which people look for jobs: what runs, what waits, and then what has ended, the last first.

    `known` are all the statuses that jobs have.
    """
    wanted = [status for status in known if not is_terminal(status) and (not which.statuses or status in which.statuses)]
    parts = [tuple(status for status in wanted if status != QUEUED), tuple(status for status in wanted if status == QUEUED)]
    active = [replace(which, active=True, statuses=statuses) for statuses in parts if statuses and which.active is not False]
    return active if which.active else [*active, replace(which, active=False, by_end=True)]


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; nothing given means all.

    One of the globs `types` matches, and `model` is one; `statuses` and `model` are of the job. The event was observed from
    `since` on and before `until` (both as `core.event.iso` writes them).
    """

    types: Sequence[str] = ()
    job: str | None = None
    account: str | None = None
    statuses: Sequence[str] = ()
    model: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def looks_inside(self) -> bool:
        """Whether the filter needs more than the columns of the log."""
        return bool(self.statuses) or self.model is not None

    def wanted_types(self) -> frozenset[str] | None:
        """The types that the globs match, and the globs themselves, for types that this version does not know; None for all."""
        if not self.types:
            return None
        matching = {type_ for type_ in TYPES if any(fnmatchcase(type_, glob) for glob in self.types)}
        return frozenset(matching.union(self.types))

    def matcher(self) -> Callable[["EventFacts"], bool]:
        """What tells whether an event is wanted."""
        wanted, statuses = self.wanted_types(), frozenset(self.statuses)

        def takes(event: "EventFacts") -> bool:
            return (
                (wanted is None or event.type in wanted)
                and self.job in (None, event.job)
                and self.account in (None, event.account)
                and (self.since is None or event.observed_at >= self.since)
                and (self.until is None or event.observed_at < self.until)
                and (not statuses or event.data.status in statuses)
                and _matches(self.model, event.data.model)
            )

        return takes


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; nothing given means all."""

    states: Sequence[str] = ()
    receiver: str | None = None
    job: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it wants nothing that has ended well."""
        return bool(self.states) and not {*self.states} - {"pending", "dead"}

    @property
    def passes_over(self) -> bool:
        """Whether a scan of open deliveries, or of one receiver's, may return many that the filter excludes."""
        return self.job is None and bool(self.states)


class JobFacts(msgspec.Struct, frozen=True):
    """What a filter asks of a job's JSON; each as it came."""

    id: Any = None
    model: Any = None
    endpoint: Any = None
    agent_id: Any = None
    metadata: Any = None


read_job_facts: Final = msgspec.json.Decoder(JobFacts).decode


class _OfAJob(msgspec.Struct, frozen=True):
    id: str | None = None
    status: str | None = None
    model: Any = None  # as it came


class EventFacts(msgspec.Struct, frozen=True):
    """What a filter asks of an event's JSON."""

    type: str
    account: str
    observed_at: str
    data: _OfAJob

    @property
    def job(self) -> str | None:
        return self.data.id


read_facts: Final = msgspec.json.Decoder(EventFacts).decode


def _matches(glob: str | None, value: Any) -> bool:
    return glob is None or (isinstance(value, str) and fnmatchcase(value, glob))


def _words_of(job: JobFacts) -> str:
    """What a text is looked for in, a line for each."""
    metadata = job.metadata.values() if isinstance(job.metadata, dict) else ()
    values = (job.id, job.model, job.endpoint, job.agent_id, *metadata)
    return "\n".join(str(value) for value in values if value is not None).casefold()

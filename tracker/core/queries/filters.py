"""Owns the filters of jobs, events and deliveries, and which of their conditions are checked row by row.

Globs are those of a receiver's `match`: `*`, `?`, `[abc]`, `[!abc]`, case-sensitive.
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from tracker.core.events.event_type_table import TYPES
from tracker.core.jobs.native import MISTRAL, named_provider
from tracker.core.jobs.status import QUEUED, is_terminal
from tracker.core.queries.needles import Needle, needle


class JobFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of jobs; without conditions it matches all.

    `model` and `endpoint` are globs, `prefix` is the beginning of the ID, `text` is in the ID, model, endpoint, agent or
    metadata, ignoring case; `provider` is a vendor's name. `created_after` and `created_before` are Unix seconds, both
    excluded. With `by_end` only ended jobs match, in the order of their ends, the last one first; else the newest comes first.
    """

    account: str | None = None
    provider: str | None = None
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
    def needs_json(self) -> bool:
        """Whether a row's JSON must be checked by `matches`."""
        return any(each is not None for each in (self.provider, self.model, self.endpoint)) or bool(self.text)

    @property
    def needle(self) -> Needle | None:
        """As in `core.queries.needles`, of the JSON that must be checked."""
        return needle((_named(self.provider),), (self.model, self.endpoint), self.text)

    @property
    def may_skip_rows(self) -> bool:
        """Whether a scan by the best index may return jobs that the filter excludes, but for those that `matches` does."""
        if self.by_end:
            has_bounds = self.created_after is not None or self.created_before is not None
            return bool(self.prefix) or has_bounds or (self.account is not None and bool(self.statuses))
        return self.account is not None or bool(self.prefix) or self.active is False

    def matches(self, job: "JobFacts") -> bool:
        """Whether the vendor, the globs and the text match; the other conditions are those of the query."""
        globs_match = _matches(self.model, job.model) and _matches(self.endpoint, job.endpoint)
        if self.provider not in (None, named_provider(job.provider)):
            return False
        return globs_match and (not self.text or self.text.casefold() in _searchable_text(job))


def in_display_order(which: JobFilter, known: Iterable[str]) -> list[JobFilter]:
    """`which` as filters in the order of display: running jobs, queued jobs, then ended jobs, the last to end first.

    `known` are all the statuses that jobs have.
    """
    wanted = [status for status in known if not is_terminal(status) and (not which.statuses or status in which.statuses)]
    parts = [tuple(status for status in wanted if status != QUEUED), tuple(status for status in wanted if status == QUEUED)]
    active = [replace(which, active=True, statuses=statuses) for statuses in parts if statuses and which.active is not False]
    return active if which.active else [*active, replace(which, active=False, by_end=True)]


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of events; without conditions it matches all.

    `types` are globs, one of which must match; `model` is a glob too. `provider`, `statuses` and `model` are of the job. The
    event was observed at `since` or later, and before `until` (both as `core.events.event.iso` writes them).
    """

    types: Sequence[str] = ()
    job: str | None = None
    account: str | None = None
    provider: str | None = None
    statuses: Sequence[str] = ()
    model: str | None = None
    since: str | None = None
    until: str | None = None

    @property
    def needs_json(self) -> bool:
        """Whether the filter needs more than the columns of the log."""
        return bool(self.statuses) or self.model is not None or self.provider is not None

    @property
    def needle(self) -> Needle | None:
        """As in `core.queries.needles`, of the JSON that must be checked."""
        return needle((_named(self.provider), self.statuses[0] if len(self.statuses) == 1 else None), (self.model,))

    def matching_types(self) -> frozenset[str] | None:
        """The types that the globs match, and the globs themselves, for unknown types; None for all types."""
        if not self.types:
            return None
        matching = {type_ for type_ in TYPES if any(fnmatchcase(type_, glob) for glob in self.types)}
        return frozenset(matching.union(self.types))

    def matcher(self) -> Callable[["EventFacts"], bool]:
        """The function that decides whether an event matches."""
        types, statuses = self.matching_types(), frozenset(self.statuses)

        def matches(event: "EventFacts") -> bool:
            return (
                (types is None or event.type in types)
                and self.job in (None, event.job)
                and self.account in (None, event.account)
                and (self.since is None or event.observed_at >= self.since)
                and (self.until is None or event.observed_at < self.until)
                and (not statuses or event.data.status in statuses)
                and _matches(self.model, event.data.model)
                and self.provider in (None, event.provider)
            )

        return matches


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter of deliveries; without conditions it matches all."""

    states: Sequence[str] = ()
    receiver: str | None = None
    job: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether only pending and dead deliveries match."""
        return bool(self.states) and not {*self.states} - {"pending", "dead"}

    @property
    def may_skip_rows(self) -> bool:
        """Whether a scan of open deliveries, or of one receiver's, may return many that the filter excludes."""
        return self.job is None and bool(self.states)


class JobFacts(msgspec.Struct, frozen=True):
    """The properties of a job that filters compare, as the API sent them."""

    id: Any = None
    provider: Any = None
    model: Any = None
    endpoint: Any = None
    agent_id: Any = None
    metadata: Any = None


read_job_facts: Final = msgspec.json.Decoder(JobFacts).decode


class _JobData(msgspec.Struct, frozen=True):
    id: str | None = None
    status: str | None = None
    model: Any = None  # as the API sent it
    provider: Any = None


class EventFacts(msgspec.Struct, frozen=True):
    """The properties of an event that filters compare."""

    type: str
    account: str
    observed_at: str
    data: _JobData

    @property
    def job(self) -> str | None:
        return self.data.id

    @property
    def provider(self) -> str | None:
        """The vendor of the job; None where it is about no job."""
        return None if self.data.id is None else named_provider(self.data.provider)


read_facts: Final = msgspec.json.Decoder(EventFacts).decode


def _matches(glob: str | None, value: Any) -> bool:
    return glob is None or (isinstance(value, str) and fnmatchcase(value, glob))


def _named(provider: str | None) -> str | None:
    """The name, if it is in the JSON of the vendor's jobs."""
    return None if provider == MISTRAL else provider


def _searchable_text(job: JobFacts) -> str:
    """The values in which a text is searched, one per line; those that are no text as JSON."""
    metadata = job.metadata.values() if isinstance(job.metadata, dict) else ()
    values = (job.id, job.model, job.endpoint, job.agent_id, *metadata)
    return "\n".join(_as_text(value) for value in values if value is not None).casefold()


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

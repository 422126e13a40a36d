"""Owns the digest of a job's result files: its failed requests in groups, the most frequent first."""

from typing import Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.jobs.request_errors import sentences_by_message
from tracker.core.results.message_normalization import LONGEST_MESSAGE, bounded, normalize_message
from tracker.core.results.result_line import ResultLine

MOST_GROUPS: Final = 10
MOST_CUSTOM_IDS: Final = 3

MOST_DISTINCT: Final = 1_000
"""Groups that are kept while files are read; failed requests of further groups are only counted."""

_MOST_REMEMBERED: Final = 4_096
"""Messages whose group is remembered, so that a repeated message is not normalized again."""

_LONGEST_REMEMBERED: Final = 1_000
_LONGEST_ID: Final = 64
_LONGEST_CODE: Final = 40
"""Characters."""

_MOST_JOB_ERRORS: Final = 5

UNSENT: Final = ("batch_expired", "batch_cancelled")
"""Codes of requests that were not sent before their batch ended: an API may count them as failed, or not at all."""


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that failed in the same way.

    `status` is their HTTP status and `code` the code or type of the error, None if the lines have none. `message` is
    normalized: numbers, ids and quoted text are replaced. `custom_ids` are those of the first requests, at most three. `sample`
    is the message of the first one as it came, shortened; None if samples are switched off.
    """

    status: int | None
    code: str | None
    message: str
    count: int
    custom_ids: tuple[str, ...] = ()
    sample: str | None = None


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """The digest of a job's result files, its fields those of the event's JSON, which is at most 16 KiB.

    `failed` counts the failed requests, `unreadable` the lines that could not be read. Of the groups the ten most frequent are
    there; `groups_omitted` counts the other groups, and `other` the failed requests that are in no group here.
    `job_errors` are the job's own errors that no group has, as sentences. `mismatch` is the contradiction between the lines and
    the job's counters.
    """

    failed: int = 0
    unreadable: int = 0
    groups: tuple[FailureGroup, ...] = ()
    groups_omitted: int = 0
    other: int = 0
    job_errors: tuple[str, ...] = ()
    mismatch: str | None = None


_Key = tuple[int | None, str | None, str]


class _Group:
    """A group while it grows."""

    __slots__ = ("count", "custom_ids", "sample")

    def __init__(self, sample: str | None) -> None:
        self.count = 0
        self.custom_ids: list[str] = []
        self.sample = sample

    def add(self, custom_ids: list[str], count: int) -> None:
        self.count += count
        self.custom_ids += custom_ids[: MOST_CUSTOM_IDS - len(self.custom_ids)]


class DigestBuilder:
    """Counts the lines of one file, or of several. Its size does not grow with the number of lines."""

    def __init__(self, *, samples: bool = True) -> None:
        """`samples`: keep one original message of each group."""
        self.lines = 0
        self.failed = 0
        self.unreadable = 0
        self._samples = samples
        self.groups: dict[_Key, _Group] = {}
        self._keys: dict[_Key, _Key] = {}

    def add(self, line: ResultLine) -> None:
        """Count a line; `line` may have succeeded or failed."""
        self.lines += 1
        if line.message is None:
            return
        self.failed += 1
        group = self._group(self._key(line), line.message if self._samples else None)
        if group is not None:
            wanted = bounded(line.custom_id or "", _LONGEST_ID) if len(group.custom_ids) < MOST_CUSTOM_IDS else ""
            group.add([wanted] if wanted else [], 1)

    def add_succeeded(self, lines: int) -> None:
        """Count lines of requests that succeeded."""
        self.lines += lines

    def add_unreadable(self) -> None:
        self.lines += 1
        self.unreadable += 1

    def merge(self, other: "DigestBuilder") -> None:
        """Add the counts of `other`."""
        self.lines += other.lines
        self.failed += other.failed
        self.unreadable += other.unreadable
        for key, theirs in other.groups.items():
            group = self._group(key, theirs.sample)
            if group is not None:
                group.add(theirs.custom_ids, theirs.count)

    def digest(self, job: Job, *, complete: bool = True) -> Digest:
        """The digest; `complete`: every file that `job` names was counted, so that its counters can be compared."""
        ranked = sorted(self.groups.items(), key=lambda entry: -entry[1].count)
        groups = tuple(_failure_group(key, group) for key, group in ranked[:MOST_GROUPS])
        return Digest(
            failed=self.failed,
            unreadable=self.unreadable,
            groups=groups,
            groups_omitted=len(ranked) - len(groups),
            other=self.failed - sum(group.count for group in groups),
            job_errors=tuple(_other_errors(job, {group.message for group in groups})),
            mismatch=self._mismatch(job) if complete else None,
        )

    def _key(self, line: ResultLine) -> _Key:
        """The key of the line's group; a message that was seen before costs one look-up."""
        raw = (line.status, line.code, line.message or "")
        if (known := self._keys.get(raw)) is not None:
            return known
        key = (line.status, bounded(line.code, _LONGEST_CODE) if line.code else None, normalize_message(raw[2]))
        if len(raw[2]) <= _LONGEST_REMEMBERED and len(raw[1] or "") <= _LONGEST_REMEMBERED:
            if len(self._keys) >= _MOST_REMEMBERED:
                self._keys.clear()
            self._keys[raw] = key
        return key

    def _group(self, key: _Key, sample: str | None) -> _Group | None:
        """The group of the key, created if it is new and there are not too many."""
        group = self.groups.get(key)
        if group is None and len(self.groups) < MOST_DISTINCT:
            group = self.groups[key] = _Group(None if sample is None else bounded(sample, LONGEST_MESSAGE))
        return group

    def _mismatch(self, job: Job) -> str | None:
        ended = job.succeeded_requests + job.failed_requests
        unsent = sum(group.count for (_, code, _), group in self.groups.items() if code in UNSENT)
        parts = []
        if ended not in (self.lines, self.lines - unsent):
            parts.append(f"{self.lines:,} lines, but {ended:,} requests that succeeded or failed by the job's counters")
        if job.failed_requests not in (self.failed, self.failed - unsent):
            parts.append(f"{self.failed:,} failed requests, but {job.failed_requests:,} by the job's counters")
        return "; ".join(parts) or None


def _failure_group(key: _Key, group: _Group) -> FailureGroup:
    status, code, message = key
    return FailureGroup(
        status=status,
        code=code,
        message=message,
        count=group.count,
        custom_ids=tuple(group.custom_ids),
        sample=group.sample,
    )


def _other_errors(job: Job, messages: set[str]) -> list[str]:
    """The job's own errors whose message no group has."""
    found = sentences_by_message(job.to_data())
    others = [sentence for message, sentence in found if normalize_message(message) not in messages]
    return [bounded(sentence, LONGEST_MESSAGE) for sentence in others[:_MOST_JOB_ERRORS]]

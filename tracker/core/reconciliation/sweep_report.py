"""Owns what a sweep came to, for the log, the metrics and the surfaces."""

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import MalformedJob


class Unreadable(msgspec.Struct, frozen=True):
    """A part of the account that could not be read while the rest could: a job by its id, or some `jobs` of a list."""

    what: str
    failure: Failure
    job: str | None = None
    jobs: int = 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep came to, in numbers. `failure` is why it was not whole; what it did see is recorded all the same.

    `unreadable` are the parts that cost only themselves. `backfilled` is how many jobs were over before the account was first
    contacted; `clock_ahead` by how many seconds the provider's clock is ahead of ours, where it said so.
    """

    events: int
    shown: int
    stale: int
    malformed: tuple[MalformedJob, ...]
    failure: Failure | None
    unreadable: tuple[Unreadable, ...] = ()
    backfilled: int = 0
    clock_ahead: float | None = None

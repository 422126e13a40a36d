"""Owns the result of a sweep, for the log, the metrics and the pages."""

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
    """The result of a sweep. `failure` is why it was not complete; what it did see is recorded all the same.

    `unreadable` are the parts that could not be read while the rest could. `limitation` is what the API's lists lack, in words;
    None if they lack nothing. `backfilled` is how many jobs were over before the
    account was first contacted. `clock_ahead` is how many seconds the provider's clock is ahead of ours; None if it did not
    say.
    """

    events: int
    shown: int
    stale: int
    malformed: tuple[MalformedJob, ...]
    failure: Failure | None
    unreadable: tuple[Unreadable, ...] = ()
    limitation: str | None = None
    backfilled: int = 0
    clock_ahead: float | None = None

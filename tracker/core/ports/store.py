"""Owns the Protocol of the one writer of the log."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from tracker.core.events.event import Event
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_driven import Standing


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How far an account has been read.

    `since` is when it was first contacted (Unix milliseconds). `horizon` is how far back history goes: what was created
    before (Unix seconds) and is over is nobody's business. `watermark` is the creation time up to which new jobs have
    been read without a gap; None until the first reading was whole.
    """

    since: int
    horizon: int
    watermark: int | None = None


class Store(Protocol):
    """The one writer of the log. Every method raises `StorageError` where the database cannot be read or written."""

    async def contact(self, account: str, first: Contact) -> Contact:
        """How far `account` has been read; `first` is kept, and returned, where it was never contacted."""

    async def active(self, account: str) -> Mapping[str, Known]:
        """Every active job of `account`, by id."""

    async def known(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        """Those of `ids` that the log knows, active or not."""

    async def deleted_since(self, account: str, since: int) -> Mapping[str, int]:
        """The jobs that were deleted after `since`, by id, each with when that was observed (Unix milliseconds)."""

    async def count_created(self, account: str, after: int) -> int:
        """How many jobs the log knows that were created after `after` (Unix seconds)."""

    async def created_of_newest(self, account: str, nth: int) -> int | None:
        """The creation time of the `nth` newest job (from 0); None where fewer are known."""

    async def newest(self, account: str, after: int, most: int) -> Collection[str]:
        """The ids of the newest jobs, but for deleted ones, that were created after `after` (Unix seconds)."""

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Commit the changes, their events in the log's order with their deliveries, and the watermark: all or nothing."""

    async def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Commit events that change no job, with their deliveries, and return them.

        One about a job that is not active any more, or not as the event has it, is left out.
        """

    async def standings(self, account: str, after: str = "") -> Sequence[Standing]:
        """How long active jobs of `account` have been as they are: the next some by id `after` that; none after the last."""

    async def last_of_account(self, account: str) -> Event | None:
        """The last event in the log that is about `account` itself."""

    async def prune(self, before: int) -> int:
        """Forget the deliveries that were delivered or superseded before then (Unix milliseconds); how many they were.

        What was never delivered is kept, and the log itself for ever.
        """

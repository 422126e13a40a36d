"""Owns the plan of a sweep: which lists to read, by what they cost in requests.

New jobs are read from a window of creation times, in any status. Active jobs are read by status, unless opening the window as
far back as the oldest of them costs no more: then one list shows both, and what became of the jobs that ended as well.
"""

from math import ceil
from typing import Final

import msgspec

from tracker.core.jobs.status import ACTIVE
from tracker.core.ports.provider import ListQuery
from tracker.core.ports.store import Checkpoint

PAGE_SIZE: Final = 100
"""The maximum is undocumented; 100 is the default."""

OVERLAP: Final = 60
"""Seconds that the window reaches back behind the watermark at least: a creation can become visible late."""

FREE_OVERLAP: Final = 80
"""The window reaches back over as many known jobs as this, since they still fit the page that is read anyway."""


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What the log knows of an account that decides what a list costs. Times are Unix seconds of creation."""

    active: int
    oldest_active: int | None
    created_in_window: int
    created_since_oldest_active: int


class Plan(msgspec.Struct, frozen=True):
    """`new` is read whole, or the watermark stays; `active` only where `new` does not show the active jobs too."""

    new: ListQuery
    active: ListQuery | None


def window_start(checkpoint: Checkpoint, watermark: int | None, nth_newest: int | None) -> int:
    """From which creation time on new jobs are read.

    `watermark` is the latest one; `nth_newest` is the creation time of the known job number FREE_OVERLAP from the newest.
    """
    if watermark is None:
        return checkpoint.horizon - OVERLAP  # or the next sweep would take what it finds there for news
    free = checkpoint.horizon if nth_newest is None else max(nth_newest, checkpoint.horizon)
    return min(watermark - OVERLAP, free)


def plan(window: int, census: Census, *, apart: bool) -> Plan:
    """The cheaper of two lists and one; `apart` asks for the list of active jobs whatever it costs."""
    two = pages(census.active) + pages(census.created_in_window)
    one = pages(max(census.created_in_window, census.created_since_oldest_active))
    if apart or two < one:
        return Plan(ListQuery(created_after=window), ListQuery(statuses=ACTIVE))
    oldest = window if census.oldest_active is None else census.oldest_active - 1
    return Plan(ListQuery(created_after=min(window, oldest)), None)


def pages(jobs: int) -> int:
    return max(1, ceil(jobs / PAGE_SIZE))


def advanced_watermark(newest_seen: int | None, advanced: float | None, before: int, now: int) -> int:
    """The watermark after a whole reading.

    `newest_seen` is the newest creation it showed; `advanced` is the watermark of the reading before plus the time that has
    passed since, for the provider's clock went on even if nothing was created; `before` stands where there is neither. A
    creation in the future of `now` (Unix milliseconds) does not count: one such job would hide all those to come.
    """
    newest = before if newest_seen is None else min(newest_seen, now // 1000)
    return newest if advanced is None else max(newest, int(advanced))

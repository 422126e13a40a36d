"""Owns the plan of a sweep: which lists to read, by what the vendor's API can do and by what they cost in requests.

New jobs are read from a window of creation times, in any status. Active jobs are read by status, unless opening the window as
far back as the oldest of them costs no more: then one list shows both, and what became of the jobs that ended as well. Where
an API has no filter of statuses, active jobs that are older than the window are asked for by id instead.
"""

from math import ceil
from typing import Final

import msgspec

from tracker.core.jobs.status import ACTIVE
from tracker.core.ports.provider import Capabilities, ListQuery
from tracker.core.ports.store import Checkpoint

MAX_GETS: Final = 30
"""The most gets of one sweep: where lists fail, this many jobs are followed. More would delay what the lists still show."""

OVERLAP: Final = 60
"""Seconds that the window reaches back before the watermark at least: a new job can become visible late."""

FREE_OVERLAP: Final = 80
"""The window reaches back over this many known jobs: they still fit the page that is read anyway."""


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of an account's jobs in the log, which decide what a list costs. Times are Unix seconds of creation."""

    active: int
    oldest_active: int | None
    active_before_window: int = 0
    created_in_window: int
    created_since_oldest_active: int
    history_covers_active: bool = True
    """Whether the log knows the jobs that were created since the oldest active one."""


class Plan(msgspec.Struct, frozen=True):
    """The lists of a sweep: `new` is read whole, or the watermark stays.

    `active` is read besides where `new` does not show the active jobs too. `fallback` is the list of active jobs that is read
    where `new` was to show them and fails; None where the API has no such list.
    """

    new: ListQuery
    active: ListQuery | None = None
    fallback: ListQuery | None = None


def window_start(checkpoint: Checkpoint, watermark: int | None, nth_newest: int | None) -> int:
    """From which creation time on new jobs are read.

    `watermark` is the latest one; `nth_newest` is the creation time of the known job number FREE_OVERLAP from the newest.
    """
    if watermark is None:
        return checkpoint.horizon - OVERLAP  # or the next sweep would take what it finds there for news
    free = checkpoint.horizon if nth_newest is None else max(nth_newest, checkpoint.horizon)
    return min(watermark - OVERLAP, free)


def make_plan(window: int, census: Census, capabilities: Capabilities, *, apart: bool) -> Plan:
    """The cheapest lists that show the new jobs and the active ones; `apart` asks for a list of active jobs at any cost."""
    oldest = window if census.oldest_active is None else min(window, census.oldest_active - 1)
    since_oldest = pages(max(census.created_in_window, census.created_since_oldest_active), capabilities)
    in_window = pages(census.created_in_window, capabilities)
    if not capabilities.filters_statuses:
        return _plan_without_statuses(
            window, oldest, census, by_list=since_oldest, by_id=in_window + census.active_before_window
        )
    active = ListQuery(statuses=ACTIVE)
    if apart or not census.history_covers_active or pages(census.active, capabilities) + in_window < since_oldest:
        return Plan(ListQuery(created_after=window), active)
    return Plan(ListQuery(created_after=oldest), fallback=active)


def expected_pages(plan: Plan, census: Census, capabilities: Capabilities) -> tuple[int, int]:
    """How many pages show the list of new jobs, and that of active ones, each to its end, if nothing has changed."""
    in_window = census.created_in_window
    new = in_window if plan.active else max(in_window, census.created_since_oldest_active)
    return new // capabilities.page_size + 1, census.active // capabilities.page_size + 1


def _plan_without_statuses(window: int, oldest: int, census: Census, *, by_list: int, by_id: int) -> Plan:
    """One list, which reaches back to the oldest active job unless asking for the older ones by id costs fewer requests.

    What was created before the log began is not known, and may be any number of jobs.
    """
    reaches_back = census.history_covers_active and (by_list <= by_id or census.active_before_window > MAX_GETS)
    return Plan(ListQuery(created_after=oldest if reaches_back else window))


def pages(jobs: int, capabilities: Capabilities) -> int:
    """The number of pages of a list of this number of `jobs`; an empty list has one."""
    return max(1, ceil(jobs / capabilities.page_size))


def advanced_watermark(newest_seen: int | None, advanced: float | None, before: int, now: int) -> int:
    """The watermark after a whole reading.

    `newest_seen` is the newest creation it showed; `advanced` is the watermark of the reading before plus the time that has
    passed since, for the provider's clock went on even if nothing was created; `before` stands where there is neither. A
    creation in the future of `now` (Unix milliseconds) does not count: one such job would hide all those to come.
    """
    newest = before if newest_seen is None else min(newest_seen, now // 1000)
    return newest if advanced is None else max(newest, int(advanced))

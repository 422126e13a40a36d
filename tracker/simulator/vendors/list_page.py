"""Owns the place of a page in a list whose pages lead to each other, and what faults make of it."""

from random import Random
from typing import NamedTuple

from tracker.simulator.faults.spoiled_responses import FIRST


class ListPage(NamedTuple):
    """The entries from `start` up to `stop` of a list of `total`."""

    start: int
    stop: int
    total: int

    @property
    def has_more(self) -> bool:
        return self.stop < self.total


def page_after(place: int | None, limit: int, total: int, fault: str | None, chance: Random) -> ListPage:
    """The page of `limit` entries behind the one at `place`, the first page if that is None, of a list of `total`."""
    if fault == "no-jobs":
        return ListPage(0, 0, 0)
    if fault == "ignored-page":
        return ListPage(0, min(FIRST, limit, total), total)
    start = 0 if place is None else place + 1
    if fault == "shift" and place is not None:
        start += chance.choice((-1, 1))
    stop = min(total, start + limit)
    return ListPage(start, stop, stop if fault == "wrong-total" else total)

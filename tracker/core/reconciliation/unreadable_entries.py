"""Owns the memory of a list's unreadable entries: how the list is read without them, and when they are tried again."""

import msgspec

from tracker.core.events.event import iso
from tracker.core.jobs.job import Hole
from tracker.core.ports.provider import ListQuery
from tracker.core.reconciliation.recheck_backoff import DAY, HOUR, MINUTE, Recheck
from tracker.core.reconciliation.sweep_report import Unreadable

PERMANENT_AFTER = 10 * MINUTE
"""Milliseconds after which an unreadable entry is no passing problem: a restart does not read it again."""


class Gap(msgspec.Struct, frozen=True):
    """The holes that the reading of a list found, most of all those of the list of new jobs.

    `created_after` is that of the query in which they have their places, `origin` that of the first one; Unix seconds.
    """

    created_after: int | None
    origin: int | None
    holes: tuple[Hole, ...]
    recheck: Recheck

    def is_due(self, now: int) -> bool:
        """Whether all of the list is to be read again, with its holes."""
        return self.recheck.is_due(now, MINUTE, HOUR)

    def is_over(self, now: int) -> bool:
        """Whether the holes are given up: after a day they are no longer tried."""
        return self.recheck.age(now) >= DAY

    @property
    def resume_after(self) -> int | None:
        """The `created_after` with which the list begins behind its holes, or with the last one of them."""
        last = self.holes[-1]
        after = last.after if last.before is None else last.before - 1
        before = self.created_after
        return before if after is None or (before is not None and after <= before) else after


class Gaps:
    """The gaps of the lists of one account, by the list's name: `new` or `active`."""

    def __init__(self) -> None:
        self._gaps: dict[str, Gap] = {}
        self._unreadable_lists: dict[str, Recheck] = {}  # the lists of which no part could be read

    def __contains__(self, name: str) -> bool:
        return name in self._gaps

    def query(self, name: str, query: ListQuery, now: int) -> tuple[ListQuery, tuple[Hole, ...]]:
        """How the list is read now: its query, which may begin behind the holes, and the holes to leave out."""
        gap = self._gaps.get(name)
        if gap is None or gap.is_over(now):
            self._gaps.pop(name, None)
            return query, ()
        if query.created_after is None:
            return query, () if gap.is_due(now) else gap.holes
        if gap.is_due(now):
            return _after(query, min(query.created_after, gap.origin or 0)), ()
        after = max(query.created_after, gap.resume_after or 0)
        return _after(query, after), gap.holes if after == gap.created_after else ()

    def record_reading(self, name: str, query: ListQuery, holes: tuple[Hole, ...], now: int, *, left_out: bool) -> None:
        """Remember the `holes` of a list that was read by this query; `left_out` says whether known holes were left out."""
        self._unreadable_lists.pop(name, None)
        gap = self._gaps.get(name)
        rechecked = not left_out and (gap is None or (query.created_after or 0) <= (gap.origin or 0))
        if not holes:
            if rechecked:
                self._gaps.pop(name, None)
        elif gap is None:
            self._gaps[name] = Gap(query.created_after, query.created_after, holes, Recheck.first(now))
        else:
            recheck = gap.recheck.again(now) if rechecked else gap.recheck
            self._gaps[name] = Gap(query.created_after, gap.origin, holes, recheck)

    def should_split(self, name: str, now: int) -> bool:
        """Whether a list that fails should be read in parts: not if no part of it could be read a short time ago."""
        return name not in self._unreadable_lists or self._unreadable_lists[name].is_due(now, MINUTE, PERMANENT_AFTER)

    def record_unreadable_list(self, name: str, now: int) -> None:
        """Remember that no part of the list could be read."""
        before = self._unreadable_lists.get(name)
        self._unreadable_lists[name] = before.again(now) if before else Recheck.first(now)

    def creations_to_reread(self, now: int) -> list[int]:
        """The creation times (Unix seconds) from which a restart reads again, since it may find what was unreadable."""
        gap = self._gaps.get("new")
        if gap is None or gap.recheck.age(now) >= PERMANENT_AFTER:
            return []
        return [gap.origin or 0 if gap.holes[0].after is None else gap.holes[0].after]

    def unreadable(self) -> list[Unreadable]:
        """The lists that have holes, for reports."""
        return [_unreadable(f"list of {name} jobs", gap.holes) for name, gap in self._gaps.items()]


def _unreadable(what: str, holes: tuple[Hole, ...]) -> Unreadable:
    first, others = holes[0], f" and {len(holes) - 1} more" * (len(holes) > 1)
    failure = msgspec.structs.replace(first.failure, detail=f"{describe(first)}{others}: {first.failure.detail}")
    return Unreadable(what, failure, jobs=sum(hole.size for hole in holes))


def _after(query: ListQuery, created_after: int) -> ListQuery:
    return msgspec.structs.replace(query, created_after=created_after)


def describe(hole: Hole) -> str:
    """Where the hole is, in words for operators."""
    jobs = "1 job" if hole.size == 1 else f"{hole.size} jobs"
    after = None if hole.after is None else iso(hole.after * 1000)
    before = None if hole.before is None else iso(hole.before * 1000)
    if after and before:
        return f"{jobs} created between {after} and {before}"
    if after or before:
        return f"{jobs} created after {after}" if after else f"{jobs} created before {before}"
    return f"{jobs} at place {hole.start + 1}"

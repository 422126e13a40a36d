"""Owns reading one list whole while it moves: pages side by side, the last first, until nothing is missing.

Last page first, because an entry that leaves a list moves the later ones one place forward: towards the pages that are
still to be read, so that they are seen twice rather than not at all.

An API, or a cache before it, that ignores `page` shows the first page again and again: that is noticed, and asked no further.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from math import ceil
from typing import Final

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Hole, Page
from tracker.core.reconciliation.sweep_plan import PAGE_SIZE
from tracker.polling.page_narrowing import TOO_MANY, Narrowing
from tracker.runtime.task_groups import task_group

SIDE_BY_SIDE: Final = 16
"""Requests: as many as there are connections. Who waits for one of those uses up the time that its answer has."""


class Reading:
    """One reading of one list: what it has shown, and the failure that ended it if one did."""

    def __init__(
        self,
        pages: Narrowing,
        take: Callable[[Page], Awaitable[None]],
        side_by_side: int = SIDE_BY_SIDE,
    ) -> None:
        """`take` is given each of the `pages` once it is there."""
        self.failure: Failure | None = None
        self.ignores_page = False
        self._pages = pages
        self._take = take
        self._side_by_side = side_by_side
        self._shown: set[str] = set()
        self._first_page: list[str] = []
        self._nameless: dict[int, int] = {}  # by page: malformed jobs without an id: they count, but cannot be told apart
        self._holes: dict[int, tuple[Hole, ...]] = {}  # by page
        self._failed: dict[int, Failure] = {}  # the pages that are still to be narrowed; all of each counts as a hole
        self._narrowed: set[int] = set()  # they are not read again: what has joined them since is for the next sweep
        self._newest: dict[int, int] = {}  # by page: the creation time of its last job
        self._total = 0
        self._repeated = False  # a whole pass showed what the one before had shown, and no more
        self._behind: int | None = None  # the page that is looked for behind the last one
        self._end = 0  # the furthest place at which the list was seen to end
        self._said = 0  # the last total that an answer gave
        self._page_size = PAGE_SIZE
        self._furthest = -1  # the last page that showed something
        self._ceiling = 0  # the highest page that is worth a pass's while

    @property
    def whole(self) -> bool:
        """Whether all was shown that is on the list, but for its holes, as far as the last answer told how much that is."""
        return self._goes_on and self._found >= self._total

    @property
    def read_to_its_end(self) -> bool:
        """Whether all was shown that there is, be it less than the list announced, and what is bad was isolated."""
        return (self.whole or (self._goes_on and self._repeated)) and not self.is_exhausted

    @property
    def is_exhausted(self) -> bool:
        """Whether so much of it makes its pages fail that not all could be isolated."""
        return any(hole.failure is TOO_MANY for hole in self.holes)

    @property
    def read_up_to(self) -> int | None:
        """The creation time (Unix seconds) up to which all was shown or isolated; None where nothing was, or all is."""
        for number in sorted(self._holes):
            for hole in self._holes[number]:
                if hole.failure is TOO_MANY:
                    before = [self._newest[each] for each in self._newest if each < number]
                    return hole.after if hole.after is not None else max(before, default=None)
        return None

    @property
    def holes(self) -> tuple[Hole, ...]:
        """What could not be read while the rest could, in the list's order."""
        return tuple(hole for number in sorted(self._holes) for hole in self._holes[number])

    @property
    def trouble(self) -> Failure | None:
        """Why this reading is no good one: it failed, or it showed fewer jobs than the list announced."""
        if self.failure or (self.whole and not self.is_exhausted):
            return self.failure
        if self.is_exhausted:
            return Failure(Reason.INCOMPLETE, "too many jobs make their page fail; reading goes on in the next sweep")
        shown = f"the list announces {self._total} jobs and showed {self._found}"
        why = ": the API, or a cache before it, ignores `page`" if self.ignores_page else ", after it was read again"
        return Failure(Reason.INCOMPLETE, shown + why)

    @property
    def _goes_on(self) -> bool:
        return self.failure is None and not self.ignores_page

    @property
    def _found(self) -> int:
        return len(self._shown) + sum(self._nameless.values()) + sum(hole.size for hole in self.holes)

    @property
    def has_shown_any(self) -> bool:
        """Whether any entry could be read."""
        return self._found > sum(hole.size for hole in self.holes)

    @property
    def _has_no_end(self) -> bool:
        """Whether so much of it fails that nothing says how long it is: a further page that fails ends the reading."""
        return self.is_exhausted and self._said == 0

    async def read(self) -> None:
        """Read all pages; while something is missing then the tail, where new entries join, and all of it again."""
        await self._read_pages([0])
        await self._narrow()  # without the first page nothing is known of the others
        self._page_size = min(PAGE_SIZE, self._found or PAGE_SIZE)  # fewer than asked for: the server's own maximum
        said = self._said
        await self._read_others()
        if self._said < said and self._goes_on:
            await self._read_pages([0])  # it had to be read first, and has since been moved to
        await self._read_tail()
        for _ in range(2):
            if not self._repeated:
                before = set(self._shown)
                await self._read_from(0)
                self._repeated = before == self._shown
        await self._read_tail()
        await self._look_behind()
        while self._failed:
            await self._narrow()
            await self._read_tail()

    async def _narrow(self) -> None:
        """Put the pages that failed together from smaller ones, the first ones first: what is read has no unread part in it."""
        for number in sorted(self._failed):
            failure = self._failed.pop(number)
            self._narrowed.add(number)
            if self._goes_on:
                await self._handle(number, await self._pages.split(number, self._page_size, failure))

    async def _read_others(self) -> None:
        """All pages but the first. Where that was short, the last one is read alone: it may be the first one again."""
        if self._goes_on and not self.whole:
            numbers = self._down_to(1)
            if self._page_size < PAGE_SIZE:
                await self._read_pages(islice(numbers, 1))
            if self._goes_on:
                await self._read_pages(numbers)

    async def _read_from(self, first: int) -> None:
        if self._goes_on and not self.whole:
            await self._read_pages(self._down_to(first))

    async def _read_tail(self) -> None:
        before = -1
        while self._goes_on and not self.whole and self._found > before and not self._failed:
            before = self._found
            await self._read_pages([before // self._page_size])

    async def _look_behind(self) -> None:
        """Where the last page is full there may be another one behind it, whatever the total says.

        An API that refuses a page behind its last one has no such page: that is no failure.
        """
        while self.whole and self._found > self._end and self._is_last_page_full and not self._failed:
            self._end = self._found
            self._behind = self._found // self._page_size
            await self._read_pages([self._behind])
            self._behind = None
            await self._read_tail()

    def _down_to(self, first: int) -> Iterator[int]:
        number = self._ceiling = ceil(self._total / self._page_size) - 1
        while number >= first:
            yield number
            number = min(number - 1, self._ceiling)

    async def _read_pages(self, numbers: Iterable[int]) -> None:
        remaining = iter(numbers)

        async def work() -> None:
            for number in remaining:
                await self._read_page(number)
                if not self._goes_on:
                    group.cancel_scope.cancel()
                    return

        async with task_group() as group:
            for _ in range(self._side_by_side):
                group.start_soon(work)

    @property
    def _is_last_page_full(self) -> bool:
        """A first page that is shorter than what was asked for is not, though it may be as long as the server's pages are."""
        return self._found % self._page_size == 0 and (self._page_size == PAGE_SIZE or self._furthest > 0)

    async def _read_page(self, number: int) -> None:
        """It is forgotten before the next one is asked for, which takes its place in memory: that is faster by a third."""
        if number in self._failed or number in self._narrowed:
            return
        page = await self._pages.fetch(number, self._page_size)
        if isinstance(page, Failure) and number == self._behind and not page.concerns_account:
            return
        if isinstance(page, Failure) and not self._has_no_end and await self._pages.is_worth_it(page):
            self._failed[number] = page
            self._holes[number] = (Hole(number * self._page_size, self._page_size, page),)
            return
        await self._handle(number, page)

    async def _handle(self, number: int, page: Page | Failure) -> None:
        if isinstance(page, Failure):
            self.failure = page
            return
        if number and page.jobs and [job.id for job in page.jobs] == self._first_page:
            self.ignores_page = True
            return
        self._note(number, page)
        await self._take(page)

    def _note(self, number: int, page: Page) -> None:
        self._shown.update([job.id for job in page.jobs])
        self._shown.update([job.id for job in page.malformed if job.id])
        if number == 0:
            self._first_page = [job.id for job in page.jobs]
        self._holes[number] = page.holes
        if page.jobs:
            self._newest[number] = page.jobs[-1].created_at
        self._nameless[number] = sum(job.id is None for job in page.malformed)
        if number and len(page) < self._page_size:
            self._end = max(self._end, number * self._page_size + len(page))
        self._furthest = max(self._furthest, number if len(page) else -1)
        self._learn_total(number, page)

    def _learn_total(self, number: int, page: Page) -> None:
        end = number * self._page_size + len(page)
        if page.total is not None and (end <= page.total or not len(page)):
            self._total = self._said = page.total
            if end < page.total and not len(page):  # it is wrong: do not try every page down from there
                self._ceiling = self._furthest + self._side_by_side
        else:  # not said, or less than is here: there is more as long as pages are full
            full = len(page) >= self._page_size or (number == 0 and len(page) > 0)
            self._total = self._found + full

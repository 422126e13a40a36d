"""Owns reading one list whole while it moves: pages side by side, the last first, until nothing is missing.

Last page first, because an entry that leaves a list moves the later ones one place forward: towards the pages that are
still to be read, so that they are seen twice rather than not at all.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from math import ceil
from typing import Final

from tracker.core.failure import Failure
from tracker.core.job import Page
from tracker.core.plan import PAGE_SIZE
from tracker.tasks import task_group

SIDE_BY_SIDE: Final = 16
"""Requests: as many as there are connections. Who waits for one of those uses up the time that its answer has."""


class Reading:
    """One reading of one list: what it has shown, and the failure that ended it if one did."""

    def __init__(
        self,
        fetch: Callable[[int, int], Awaitable[Page | Failure]],
        take: Callable[[Page], Awaitable[None]],
        side_by_side: int = SIDE_BY_SIDE,
    ) -> None:
        """`fetch(page, page_size)` asks for a page; `take` is given each page once it is there."""
        self.failure: Failure | None = None
        self._fetch = fetch
        self._take = take
        self._side_by_side = side_by_side
        self._shown: set[str] = set()
        self._nameless: dict[int, int] = {}  # by page: malformed jobs without an id: they count, but cannot be told apart
        self._total = 0
        self._said = 0  # the last total that an answer gave
        self._page_size = PAGE_SIZE
        self._furthest = -1  # the last page that showed something
        self._ceiling = 0  # the highest page that is worth a pass's while

    @property
    def whole(self) -> bool:
        """Whether all was shown that is on the list, as far as the last answer told how much that is."""
        return self.failure is None and self._found >= self._total

    @property
    def _found(self) -> int:
        return len(self._shown) + sum(self._nameless.values())

    async def read(self) -> None:
        """Read all pages; while something is missing then the tail, where new entries join, and all of it again."""
        await self._read_pages([0])
        self._page_size = min(PAGE_SIZE, self._found or PAGE_SIZE)  # fewer than asked for: the server's own maximum
        said = self._said
        await self._read_from(1)
        if self._said < said and self.failure is None:
            await self._read_pages([0])  # it had to be read first, and has since been moved to
        await self._read_tail()
        for _ in range(2):
            before = set(self._shown)
            await self._read_from(0)
            if before == self._shown and self.failure is None:
                self._total = min(self._total, self._found)  # the same twice: it is the total that is wrong
        await self._read_tail()

    async def _read_from(self, first: int) -> None:
        if not self.failure and not self.whole:
            await self._read_pages(self._down_to(first))

    async def _read_tail(self) -> None:
        before = -1
        while not self.failure and not self.whole and self._found > before:
            before = self._found
            await self._read_pages([before // self._page_size])

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
                if self.failure:
                    group.cancel_scope.cancel()
                    return

        async with task_group() as group:
            for _ in range(self._side_by_side):
                group.start_soon(work)

    async def _read_page(self, number: int) -> None:
        """It is forgotten before the next one is asked for, which takes its place in memory: that is faster by a third."""
        page = await self._fetch(number, self._page_size)
        if isinstance(page, Failure):
            self.failure = page
            return
        self._note(number, page)
        await self._take(page)

    def _note(self, number: int, page: Page) -> None:
        self._shown.update([job.id for job in page.jobs])
        self._shown.update([job.id for job in page.malformed if job.id])
        self._nameless[number] = sum(job.id is None for job in page.malformed)
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

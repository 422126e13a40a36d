"""Owns reading a whole list by page numbers while it changes: several pages at once, the last first, until none is missing.

Last page first, because an entry that leaves a list moves the later ones one place forward: towards the pages that are
still to be read, so that they are seen twice rather than not at all.

Where it is known how many pages the list had, all of them are requested at once, the last first too. What is missing then is
requested as it would have been.

An API, or a cache before it, that ignores `page` shows the first page again and again: then no more pages are requested.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import ceil
from typing import Final, NamedTuple

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Hole, Page
from tracker.polling.pagination.page_splitting import TOO_MANY_FAILURES, Fetch, PageSplitter
from tracker.runtime.task_groups import task_group

MAX_CONCURRENT_PAGES: Final = 16
"""As many as there are connections: a request that waits for one uses up the time that its answer has."""


class ExpectedPages(NamedTuple):
    """How many pages the list had when it was read last, and what requests one of them, once."""

    pages: int
    fetch: Fetch


class PageNumberPagination:
    """One reading of one list whose pages have numbers: what it has shown, and the failure that ended it if one did."""

    def __init__(
        self,
        pages: PageSplitter,
        process_page: Callable[[Page], Awaitable[None]],
        concurrency: int = MAX_CONCURRENT_PAGES,
        *,
        page_size: int = 100,
        expected: ExpectedPages | None = None,
    ) -> None:
        """`process_page` is given each of the `pages`, of `page_size` entries at most, as soon as it has been read."""
        self.failure: Failure | None = None
        self.ignores_page = False
        self._pages = pages
        self._expected = expected
        self._read_ahead: set[int] = set()  # the expected pages that have come
        self._process_page = process_page
        self._concurrency = concurrency
        self._shown: set[str] = set()
        self._first_page: list[str] = []
        self._without_id: dict[int, int] = {}  # by page: malformed jobs without an ID count, but cannot be distinguished
        self._holes: dict[int, tuple[Hole, ...]] = {}  # by page
        self._failed: dict[int, Failure] = {}  # the pages that are still to be narrowed; all of each counts as a hole
        self._was_narrowed: set[int] = set()  # not read again: entries that have joined them since are for the next sweep
        self._newest: dict[int, int] = {}  # by page: the creation time of its last job
        self._first_length = 0  # of the first page
        self._total = 0
        self._most_announced = 0
        self._has_repeated = False  # a whole pass showed what the one before had shown, and no more
        self._page_behind_end: int | None = None  # the page that is looked for behind the last one
        self._observed_end = 0  # the furthest place at which the list was seen to end
        self._last_total = 0  # the last total that an answer gave
        self._full_size = page_size
        self._page_size = page_size  # smaller where the server gives less
        self._last_page = -1  # the last page that showed something
        self._highest_useful_page = 0  # the highest page that is worth a pass's while

    @property
    def is_whole(self) -> bool:
        """Whether all entries but the holes were shown, by the last total that the API announced."""
        return self._continues and self._found_count >= self._total

    @property
    def is_complete(self) -> bool:
        """Whether all entries were shown, even if the list announced more, and every bad entry was isolated."""
        return (self.is_whole or (self._continues and self._has_repeated)) and not self.is_exhausted

    @property
    def is_exhausted(self) -> bool:
        """Whether too many entries make their pages fail for all of them to be isolated."""
        return any(hole.failure is TOO_MANY_FAILURES for hole in self.holes)

    @property
    def read_up_to(self) -> int | None:
        """The creation time (Unix seconds) up to which all was shown or isolated; None if nothing was, or everything."""
        for number in sorted(self._holes):
            for hole in self._holes[number]:
                if hole.failure is TOO_MANY_FAILURES:
                    before = [self._newest[each] for each in self._newest if each < number]
                    return hole.after if hole.after is not None else max(before, default=None)
        return None

    @property
    def holes(self) -> tuple[Hole, ...]:
        """The entries that could not be read while the rest could, in the list's order."""
        return tuple(hole for number in sorted(self._holes) for hole in self._holes[number])

    @property
    def problem(self) -> Failure | None:
        """Why the reading is not good: it failed, or it showed fewer jobs than the list announced."""
        if self.failure or (self.is_whole and not self.is_exhausted):
            return self.failure
        if self.is_exhausted:
            return Failure(Reason.INCOMPLETE, "too many jobs make their page fail; reading goes on in the next sweep")
        shown = f"the list announces {self._total} jobs and showed {self._found_count}"
        why = ": the API, or a cache before it, ignores `page`" if self.ignores_page else ", after it was read again"
        return Failure(Reason.INCOMPLETE, shown + why)

    @property
    def pages_needed(self) -> int:
        """How many pages show this list and its end, where that can be expected of its next reading; else 0."""
        needed = self._found_count // self._full_size + 1
        is_usual = self.problem is None and not self.holes and self._found_count == self._last_total
        return needed if is_usual and self._page_size == self._full_size and 1 < needed <= MAX_CONCURRENT_PAGES else 0

    @property
    def _continues(self) -> bool:
        return self.failure is None and not self.ignores_page

    @property
    def _found_count(self) -> int:
        return len(self._shown) + sum(self._without_id.values()) + sum(hole.size for hole in self.holes)

    @property
    def has_shown_any(self) -> bool:
        """Whether any entry could be read."""
        return self._found_count > sum(hole.size for hole in self.holes)

    @property
    def _has_unknown_end(self) -> bool:
        """Whether so much fails that the length of the list is unknown: then the next page that fails ends the reading."""
        return self.is_exhausted and self._last_total == 0

    async def read(self) -> None:
        """Read all pages. While something is missing, read the tail, where new entries join, and then all pages again."""
        await self._read_pages(range(self._expected.pages - 1 if self._expected else 0, -1, -1))
        await self._narrow()  # without the first page nothing is known of the others
        self._learn_page_size()
        announced = self._most_announced
        await self._read_others()
        if self._last_total < announced and self._continues:
            await self._read_pages([0])  # it had to be read first, and has since been moved to
        await self._read_tail()
        for _ in range(2):
            if not self._has_repeated:
                before = set(self._shown)
                await self._read_from(0)
                self._has_repeated = before == self._shown
        await self._read_tail()
        await self._read_behind_end()
        while self._failed:
            await self._narrow()
            await self._read_tail()

    def _learn_page_size(self) -> None:
        """Fewer than asked for are the server's own maximum; then other entries are on the pages that were expected."""
        self._expected = None
        self._page_size = min(self._full_size, self._first_length or self._full_size)
        if self._page_size < self._full_size:
            self._read_ahead.clear()

    async def _narrow(self) -> None:
        """Read the pages that failed as smaller ones, in the list's order, so that what was read is without gaps."""
        for number in sorted(self._failed):
            failure = self._failed.pop(number)
            self._was_narrowed.add(number)
            if self._continues:
                await self._accept(number, await self._pages.split(number, self._page_size, failure))

    async def _read_others(self) -> None:
        """Read all pages but the first. If that was short, read the last one alone first: it may be the first one again."""
        if self._continues and not self.is_whole:
            numbers = (number for number in self._page_numbers_down_to(1) if number not in self._read_ahead)
            if self._page_size < self._full_size:
                await self._read_pages(islice(numbers, 1))
            if self._continues:
                await self._read_pages(numbers)

    async def _read_from(self, first: int) -> None:
        if self._continues and not self.is_whole:
            await self._read_pages(self._page_numbers_down_to(first))

    async def _read_tail(self) -> None:
        before = -1
        while self._continues and not self.is_whole and self._found_count > before and not self._failed:
            before = self._found_count
            await self._read_pages([before // self._page_size])

    async def _read_behind_end(self) -> None:
        """Read behind the last page if that is full: there may be another one, whatever the total says.

        An API may refuse a page behind its last one: that is no failure.
        """
        while self.is_whole and self._found_count > self._observed_end and self._is_last_page_full and not self._failed:
            self._observed_end = self._found_count
            self._page_behind_end = self._found_count // self._page_size
            await self._read_pages([self._page_behind_end])
            self._page_behind_end = None
            await self._read_tail()

    def _page_numbers_down_to(self, first: int) -> Iterator[int]:
        number = self._highest_useful_page = ceil(self._total / self._page_size) - 1
        while number >= first:
            yield number
            number = min(number - 1, self._highest_useful_page)

    async def _read_pages(self, numbers: Iterable[int]) -> None:
        remaining = iter(numbers)

        async def work() -> None:
            for number in remaining:
                await self._read_page(number)
                if not self._continues:
                    group.cancel_scope.cancel()
                    return

        async with task_group() as group:
            for _ in range(self._concurrency):
                group.start_soon(work)

    @property
    def _is_last_page_full(self) -> bool:
        """Whether the last page is full. A short first page is not, though it may be as long as the server's pages are."""
        return self._found_count % self._page_size == 0 and (self._page_size == self._full_size or self._last_page > 0)

    async def _read_page(self, number: int) -> None:
        """Read a page. It is released before the next one is requested and takes its place in memory: a third faster."""
        if number in self._failed or number in self._was_narrowed:
            return
        if self._expected and number:
            await self._read_expected(number, self._expected.fetch)
            return
        page = await self._pages.fetch(number, self._page_size)
        if isinstance(page, Failure) and number == self._page_behind_end and not page.concerns_account:
            return
        if isinstance(page, Failure) and not self._has_unknown_end and await self._pages.should_split(page):
            self._failed[number] = page
            self._holes[number] = (Hole(number * self._page_size, self._page_size, page),)
            return
        await self._accept(number, page)

    async def _read_expected(self, number: int, fetch: Fetch) -> None:
        """Read a page that may not exist any more: if it fails, and the list still has it, it is requested again."""
        page = await fetch(number, self._page_size)
        if isinstance(page, Page):
            self._read_ahead.add(number)
            await self._accept(number, page)

    async def _accept(self, number: int, page: Page | Failure) -> None:
        if isinstance(page, Failure):
            self.failure = page
            return
        if number and page.jobs and _shows(page, self._first_page):
            self.ignores_page = True
            return
        self._record_page(number, page)
        await self._process_page(page)

    def _record_page(self, number: int, page: Page) -> None:
        self._shown.update(page.ids)
        if page.malformed:
            self._shown.update([job.id for job in page.malformed if job.id])
        if number == 0:
            self._first_page = [job.id for job in page.jobs]
            self._first_length = len(page)
        self._holes[number] = page.holes
        if page.jobs:
            self._newest[number] = page.jobs[-1].created_at
        self._without_id[number] = sum(job.id is None for job in page.malformed)
        if number and len(page) < self._page_size:
            self._observed_end = max(self._observed_end, number * self._page_size + len(page))
        self._last_page = max(self._last_page, number if len(page) else -1)
        self._learn_total(number, page)

    def _learn_total(self, number: int, page: Page) -> None:
        end = number * self._page_size + len(page)
        if page.total is not None and (end <= page.total or not len(page)):
            self._total = self._last_total = page.total
            self._most_announced = max(self._most_announced, page.total)
            if end < page.total and not len(page):  # it is wrong: do not try every page down from there
                self._highest_useful_page = self._last_page + self._concurrency
        else:  # not said, or less than is here: there is more as long as pages are full
            full = len(page) >= self._page_size or (number == 0 and len(page) > 0)
            self._total = self._found_count + full


def _shows(page: Page, ids: Sequence[str]) -> bool:
    """Whether the page's jobs are these, in this order."""
    return ids[:1] == [page.jobs[0].id] and ids == [job.id for job in page.jobs]

"""Owns reading a page that fails in smaller and smaller pages, until the entries that make it fail are isolated.

An API answers 500 for a whole page if it cannot serialize one job of it. Every other entry of that page can still be read:
pages of 100 are halved to 50 and 25, then read by five and one by one, which takes about fifteen requests for one bad entry.
If the API answers 500 for every page, the list is read from the earliest creation time from which that works.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import anyio

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Hole, Job, MalformedJob, Page

MAX_REQUESTS: Final = 60
"""The most requests that one reading spends on this: enough for four bad entries far from each other."""

TOO_MANY_FAILURES: Final = Failure(Reason.SERVER, "too many entries near it make their page fail")

Fetch = Callable[[int, int], Awaitable[Page | Failure]]


PAGE_BEHIND_ANY_END: Final = 1_000_000
"""No list has this number of pages of one entry: such a page is empty, and fails only if every page of the list does."""


async def always() -> bool:
    return True


class Probe:
    """Whether every page of a list fails, found out by one request for a page behind its end."""

    def __init__(self, fetch: Fetch) -> None:
        self.fails = False
        self._fetch = fetch
        self._asked = False
        self._lock = anyio.Lock()

    async def works(self) -> bool:
        async with self._lock:
            if not self._asked:
                self._asked = True
                answer = await self._fetch(PAGE_BEHIND_ANY_END, 1)
                self.fails = isinstance(answer, Failure) and (answer.may_be_one_job or answer.concerns_account)
            return not self.fails


async def earliest_readable(works_from: Callable[[int], Awaitable[bool]], fails: int, works: int) -> int | None:
    """The earliest time between `fails` and `works` from which a list can be read; None if it cannot even from `works`."""
    if not await works_from(works):
        return None
    while works - fails > 1:
        middle = (works + fails) // 2
        if await works_from(middle):
            works = middle
        else:
            fails = middle
    return works


class PageSplitter:
    """Fetches pages of one list; an entry that makes its page fail becomes a `Hole` of the page that is returned.

    After `MAX_REQUESTS` the rest of a page is one hole, with the failure `TOO_MANY_FAILURES`.
    """

    def __init__(
        self,
        fetch: Fetch,
        list_works: Callable[[], Awaitable[bool]] = always,
        holes: Iterable[Hole] = (),
        *,
        probe: Fetch | None = None,
    ) -> None:
        """`probe` fetches parts of a page that fails, without retries: most of them will fail too.

        `list_works` says whether the list can be read at all: while it cannot, a page that fails is not narrowed.

        `holes` are those that an earlier reading of the same list found. They are left out, unless entries have moved since.
        """
        self._fetch = fetch
        self._probe = probe or fetch
        self._list_works = list_works
        self._known = {hole.start: hole for hole in holes if hole.size == 1}
        self._requests_left = MAX_REQUESTS

    async def fetch(self, number: int, page_size: int) -> Page | Failure:
        """Page `number` of `page_size` entries, without its known holes."""
        start = number * page_size
        if any(start <= place < start + page_size for place in self._known):
            return await _SplitPage(self._fetch_part, self._known).read(start, page_size)
        return await self._fetch(number, page_size)

    async def should_split(self, failure: Failure) -> bool:
        """Whether a page that failed in this way should be split: one job may be the cause, and the list can be read."""
        return failure.may_be_one_job and await self._list_works()

    async def split(self, number: int, page_size: int, failure: Failure) -> Page | Failure:
        """The page, which failed in this way, assembled from smaller ones."""
        return await _SplitPage(self._fetch_part).split(number * page_size, page_size, failure)

    async def _fetch_part(self, start: int, size: int) -> Page | Failure | None:
        """The entries from `start` on; None if no more requests are left."""
        if self._requests_left == 0:
            return None
        self._requests_left -= 1
        return await self._probe(start // size, size)


class _SplitPage:
    """One page that is assembled from smaller ones."""

    def __init__(
        self, fetch_part: Callable[[int, int], Awaitable[Page | Failure | None]], known: dict[int, Hole] | None = None
    ) -> None:
        self._fetch_part = fetch_part
        self._known = known or {}
        self._skipped: list[int] = []
        self._entries: dict[int, Job | MalformedJob] = {}
        self._failed: dict[int, tuple[int, Failure]] = {}
        self._total: int | None = None
        self._end: int | None = None  # the place at which the list was seen to end
        self._fatal: Failure | None = None

    async def read(self, start: int, size: int) -> Page | Failure:
        """The page without its known holes. If another entry fails, the holes have moved, and are read too."""
        await self._read(start, size)
        if self._failed:
            for place in self._skipped:
                await self._read_whole(place, 1)
        for place in self._skipped:
            if place not in self._entries:
                self._failed.setdefault(place, (1, self._known[place].failure))
        return self._page()

    async def split(self, start: int, size: int, failure: Failure) -> Page | Failure:
        """The page, which failed in this way as a whole."""
        await self._split(start, size, failure)
        return self._page()

    async def _read(self, start: int, size: int) -> None:
        inside = [place for place in self._known if start <= place < start + size]
        if not inside:
            await self._read_whole(start, size)
        elif size == 1:
            self._skipped.append(start)
        else:
            await self._read_parts(start, size, self._read)

    async def _read_whole(self, start: int, size: int) -> None:
        page = await self._fetch_part(start, size)
        if page is None:
            self._failed[start] = (size, TOO_MANY_FAILURES)
        elif isinstance(page, Failure):
            await self._split(start, size, page)
        else:
            self._total = page.total
            self._entries.update(enumerate([*page.jobs, *page.malformed], start))
            if len(page) < size:
                self._end = start + len(page)

    async def _split(self, start: int, size: int, failure: Failure) -> None:
        if not failure.may_be_one_job:
            self._fatal = failure
        elif size == 1:
            self._failed[start] = (1, failure)
        else:
            await self._read_parts(start, size, self._read_whole)

    async def _read_parts(self, start: int, size: int, read: Callable[[int, int], Awaitable[None]]) -> None:
        part = size // _smallest_factor(size)
        for place in range(start, start + size, part):
            if self._fatal is None and (self._end is None or place < self._end):
                await read(place, part)

    def _page(self) -> Page | Failure:
        if self._fatal:
            return self._fatal
        entries = [self._entries[place] for place in sorted(self._entries)]
        return Page(
            jobs=tuple(each for each in entries if isinstance(each, Job)),
            malformed=tuple(each for each in entries if isinstance(each, MalformedJob)),
            total=self._total,
            holes=tuple(self._hole(place) for place in sorted(self._failed) if self._end is None or place < self._end),
        )

    def _hole(self, start: int) -> Hole:
        size, failure = self._failed[start]
        jobs = [(place, job.created_at) for place, job in sorted(self._entries.items()) if isinstance(job, Job)]
        after = [created for place, created in jobs if place < start]
        before = [created for place, created in jobs if place >= start + size]
        return Hole(start, size, failure, after[-1] if after else None, before[0] if before else None)


def _smallest_factor(number: int) -> int:
    return next((factor for factor in (2, 3, 5, 7) if number % factor == 0), number)

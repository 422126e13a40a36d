"""Owns reading lists with random access: what makes a page fail is isolated, remembered and left out.

Where a list fails whatever page is asked for, it is read from a later creation time on.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Hole, Page
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.recheck_backoff import DAY
from tracker.core.reconciliation.unreadable_entries import Gaps
from tracker.polling.pagination.list_reader import ListResult
from tracker.polling.pagination.page_number_pagination import MAX_CONCURRENT_PAGES, ExpectedPages, PageNumberPagination
from tracker.polling.pagination.page_splitting import TOO_MANY_FAILURES, Fetch, PageSplitter, Probe, earliest_readable

NO_JOBS_SINCE: Final = DAY // 1000
"""Seconds from now on: nothing was created then, so that a list from there on is empty, and fails only if the call does."""


class RandomAccessReader:
    """The `ListReader` of a provider whose capabilities have `random_access`."""

    def __init__(
        self,
        provider: Provider,
        direct: Provider,
        gaps: Gaps,
        process_page: Callable[[Page], Awaitable[None]],
        now: Callable[[], int],
        pages_needed: dict[str, int],
    ) -> None:
        """`direct` is the `provider` without retries, `gaps` are the parts that earlier sweeps could not read.

        `pages_needed` are the pages that each list had when it was read last, by its name; what is read now is recorded there.
        `process_page` is given each page as soon as it has been read; `now` gives Unix milliseconds.
        """
        self.has_answered = False
        self._provider = provider
        self._direct = direct
        self._gaps = gaps
        self._process_page = process_page
        self._now = now
        self._pages_needed = pages_needed

    async def read(self, name: str, query: ListQuery, lists: int = 1) -> ListResult:
        concurrency = MAX_CONCURRENT_PAGES // lists
        reading, failing = await self._read_once(name, query, concurrency)
        if failing is not None and reading.failure is not None:
            reading = await self._read_later_part(name, query, failing, reading, concurrency)
        return ListResult(
            is_complete=reading.is_complete, failure=reading.failure, problem=reading.problem, read_up_to=reading.read_up_to
        )

    async def _read_later_part(
        self, name: str, query: ListQuery, failing: ListQuery, reading: PageNumberPagination, concurrency: int
    ) -> PageNumberPagination:
        """Read the list, of which every page fails, from the earliest creation time on from which it can be read."""
        later = await self._earliest_readable(failing)
        if later is None or reading.failure is None:
            self._gaps.record_unreadable_list(name, self._now())
            return reading
        hole = Hole(0, 1, reading.failure, later - 1, later + 1)
        self._gaps.record_reading(name, failing, (hole,), self._now(), left_out=False)
        return (await self._read_once(name, query, concurrency))[0]

    async def _read_once(self, name: str, query: ListQuery, concurrency: int) -> tuple[PageNumberPagination, ListQuery | None]:
        """The reading, and its query where that fails whatever page is asked for."""
        query, holes = self._gaps.query(name, query, self._now())
        fetch, direct = self._fetch_from(self._provider, query), self._fetch_from(self._direct, query)
        probe = Probe(direct)

        async def list_works() -> bool:
            return self._gaps.should_split(name, self._now()) and await probe.works()

        reading = PageNumberPagination(
            PageSplitter(fetch, list_works, holes, probe=direct),
            self._process_page,
            concurrency,
            page_size=self._provider.capabilities.page_size,
            expected=ExpectedPages(self._pages_needed.pop(name, 1), direct),
        )
        await reading.read()
        self._pages_needed[name] = reading.pages_needed or 1
        if reading.is_exhausted and not reading.has_shown_any:
            self._gaps.record_unreadable_list(name, self._now())
        elif reading.is_complete or reading.is_exhausted:
            isolated = tuple(hole for hole in reading.holes if hole.failure is not TOO_MANY_FAILURES)
            self._gaps.record_reading(name, query, isolated, self._now(), left_out=bool(holes))
        return reading, query if probe.fails else None

    async def _earliest_readable(self, query: ListQuery) -> int | None:
        """From which `created_after` on the list can be read, if it can be limited in that way and then works at all."""
        if query.created_after is None:
            return None

        async def works_from(moment: int) -> bool:
            later = msgspec.structs.replace(query, created_after=moment)
            return await Probe(self._fetch_from(self._direct, later)).works()

        found = await earliest_readable(works_from, query.created_after, self._now() // 1000 + NO_JOBS_SINCE)
        return None if found is None or await works_from(found - 1) else found  # it may have recovered in the meantime

    def _fetch_from(self, provider: Provider, query: ListQuery) -> Fetch:
        async def fetch(number: int, size: int) -> Page | Failure:
            page = await provider.list_jobs(query, str(number), size)
            self.has_answered = self.has_answered or not isinstance(page, Failure)
            return page

        return fetch

"""Reading one list whole: pages side by side, while the list moves and the API lies about it."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from moving_api import new_job

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Hole, MalformedJob, Page
from tracker.http.client import CONNECTIONS
from tracker.polling.pagination.page_number_pagination import MAX_CONCURRENT_PAGES, ExpectedPages, PageNumberPagination
from tracker.polling.pagination.page_splitting import PageSplitter

RIGHT = object()


class List:
    """A list of jobs, its oldest first, and everything that was asked of it and taken from it.

    `total` is what it says of its length, RIGHT for the truth. `before` is called with the number of each request, from 1.
    """

    def __init__(self, length, *, maximum=1000, total=RIGHT, before=lambda _number: None):
        self.jobs = [new_job(f"job-{number}", number) for number in range(length)]
        self.asked = []
        self.taken = []
        self._maximum = maximum
        self._total = total
        self._before = before

    async def fetch(self, number, page_size):
        self.asked.append((number, page_size))
        assert len(self.asked) < 200, "a reading without end"
        self._before(len(self.asked))
        await checkpoint()
        size = min(page_size, self._maximum)
        return self.page(self.jobs[number * size : (number + 1) * size])

    def page(self, jobs, malformed=()):
        return Page(tuple(jobs), tuple(malformed), len(self.jobs) if self._total is RIGHT else self._total)

    async def process_page(self, page):
        await checkpoint()
        self.taken.append(page)

    async def read(self, expected=1):
        reading = PageNumberPagination(
            PageSplitter(self.fetch), self.process_page, expected=ExpectedPages(expected, self.fetch)
        )
        await reading.read()
        return reading

    @property
    def numbers(self):
        return [number for number, _ in self.asked]

    @property
    def shown(self):
        return {job.id for page in self.taken for job in page.jobs}

    def shows_all(self):
        return self.shown >= {job.id for job in self.jobs}


@pytest.mark.parametrize(
    ("length", "numbers"),
    [
        (0, [0]),
        (1, [0]),
        (100, [0, 1]),
        (101, [0, 1]),
        (300, [0, 2, 1, 3]),
        (1000, [0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 10]),
    ],
)
async def test_still_list_costs_each_page_once(length, numbers):
    """The first page, then the others from the last: each is asked for once, and one more behind a last page that is full."""
    jobs = List(length)
    reading = await jobs.read()
    assert (jobs.numbers, reading.is_whole, reading.failure) == (numbers, True, None)
    taken = [page.jobs[0].id for page in jobs.taken if page.jobs]
    assert sorted(taken) == sorted(jobs.jobs[number * 100].id for number in numbers if number * 100 < length)
    assert jobs.shows_all()


async def test_pages_are_read_side_by_side():
    """As many requests as may are under way at once, not more, and not in turn."""
    jobs, under_way, most, full = List(2000), 0, 0, anyio.Event()

    async def fetch(number, page_size):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if number and not full.is_set():
            if under_way == MAX_CONCURRENT_PAGES:
                full.set()
            await full.wait()
        page = await jobs.fetch(number, page_size)
        under_way -= 1
        return page

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    with anyio.fail_after(30):
        await reading.read()
    assert (most, reading.is_whole, jobs.shows_all()) == (CONNECTIONS, True, True)


@pytest.mark.parametrize(("maximum", "requests"), [(100, 3), (99, 4), (50, 6), (7, 36)])
@pytest.mark.parametrize(("total", "more"), [(RIGHT, 0), (None, 1)])
async def test_maximum_of_the_server_is_kept_to(maximum, requests, total, more):
    """A server that gives fewer than asked for is asked for as many as that, and nothing between two pages is lost."""
    jobs = List(250, maximum=maximum, total=total)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)
    assert {size for _, size in jobs.asked[1:]} == {maximum}
    assert len(jobs.asked) <= requests + more


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 250, 1000, 1050])
async def test_list_without_a_total_is_read_to_its_end(length):
    """Where no total is said, pages are read on until one shows that there is no more, each once."""
    jobs = List(length, total=None)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)
    assert jobs.numbers == list(range(len(jobs.asked)))
    assert len(jobs.asked) <= length // 100 + 2


@pytest.mark.parametrize("length", [100, 101, 250, 1000])
@pytest.mark.parametrize("total", [0, 1, 99])
async def test_total_that_is_too_small_hides_nothing(length, total):
    """A total below what the page itself shows is no total: reading goes on."""
    jobs = List(length, total=total)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)
    assert len(jobs.asked) <= length // 100 + 2


@pytest.mark.parametrize("length", [0, 1, 100, 101, 450, 1000])
@pytest.mark.parametrize("more", [1, 100, 5000, 2**53 - 2000])
async def test_total_that_is_too_large_ends(length, more):
    """A total that is never reached ends after the same was shown twice, and is said; one beyond reason costs few requests."""
    jobs = List(length, total=length + more)
    reading = await jobs.read()
    assert (reading.is_whole, reading.is_complete, jobs.shows_all()) == (False, True, True)
    assert reading.problem.reason == "incomplete"
    assert f"announces {length + more} jobs and showed {length}" in reading.problem.detail
    assert len(jobs.asked) <= 3 * (length // 100 + 1) + 4 * MAX_CONCURRENT_PAGES + 4


@pytest.mark.parametrize("length", [100, 200, 230, 1000])
@pytest.mark.parametrize("hidden", [1, 30, 100, 250])
async def test_total_that_ends_with_a_full_page_hides_nothing(length, hidden):
    """Behind a last page that is full one more is asked for, so that a total that is too small there ends nothing."""
    jobs = List(length + hidden, total=length)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)
    assert len(jobs.asked) <= (length + hidden) // 100 + 2


async def test_hole_that_has_moved_hides_no_entry():
    """Where a known hole's neighbor fails in its place the entries have moved, and the one that stands there now is read."""
    jobs, bad = List(10), "job-2"

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        return Failure(Reason.SERVER, "HTTP 500", status=500) if any(job.id == bad for job in page.jobs) else page

    known = Hole(3, 1, Failure(Reason.SERVER, "HTTP 500", status=500))
    reading = PageNumberPagination(PageSplitter(fetch, holes=[known]), jobs.process_page)
    await reading.read()
    assert jobs.shown == {job.id for job in jobs.jobs} - {bad}
    assert [hole.start for hole in reading.holes] == [2]


REFUSALS = [(Reason.NOT_FOUND, 404), (Reason.REJECTED, 422), (Reason.SERVER, 500)]


@pytest.mark.parametrize(("reason", "status"), REFUSALS, ids=["404", "422", "500"])
async def test_api_that_refuses_a_page_behind_its_last_is_well(reason, status):
    """The look behind a last page that is full finds nothing where it is refused: the list was read, and that is no failure."""
    jobs = List(200)

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        return page if number < 2 else Failure(reason, f"HTTP {status}", status=status)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert (reading.is_whole, reading.problem, reading.holes, jobs.shows_all()) == (True, None, (), True)
    assert jobs.numbers == [0, 1, 2]


@pytest.mark.parametrize(("shown", "total", "most"), [(20, 250, 2), (100, 250, 3), (20, 10_000, 2), (100, 10_000, 17)])
async def test_api_that_ignores_the_page_is_found_out(shown, total, most):
    """The first page again is no other page: the reading ends there, after few requests, and says why it is not whole."""
    jobs = List(shown, total=total)

    async def fetch(number, page_size):
        return await jobs.fetch(0 * number, page_size)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert (reading.is_whole, reading.is_complete, reading.failure) == (False, False, None)
    assert "ignores `page`" in reading.problem.detail
    assert len(jobs.asked) <= most


@pytest.mark.parametrize("at", range(1, 8))
async def test_entry_that_leaves_hides_no_other(at):
    """An entry that leaves during any of the requests moves the others forward: all that stay are shown."""
    jobs = List(700, before=lambda number: number == at and jobs.jobs.pop(3))
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)


@pytest.mark.parametrize("leaving", [slice(0, 100), slice(100, 200), slice(600, 700), slice(0, 450), slice(0, 700, 2)])
async def test_list_that_shrinks_is_read_whole(leaving):
    """Many entries that leave at once, wherever they stood, hide none of those that stay."""

    def before(number):
        if number == 3:
            del jobs.jobs[leaving]

    jobs = List(700, before=before)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)


async def test_failure_after_it_shrank_ends_it():
    """A list that is shorter all of a sudden and then fails is not asked for its first page again."""
    jobs, failure = List(300), Failure(Reason.NETWORK, "reset")

    async def fetch(number, page_size):
        if len(jobs.asked) == 1:
            del jobs.jobs[:50]
        page = await jobs.fetch(number, page_size)
        return failure if number == 1 else page

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert (reading.failure, jobs.numbers) == (failure, [0, 2, 1])


@pytest.mark.parametrize("at", range(1, 4))
@pytest.mark.parametrize("joining", [1, 50, 250])
async def test_entries_that_join_are_read_too(at, joining):
    """Entries that join at the end during any of the requests are shown, for the later answers tell of them."""

    def before(number):
        if number == at:
            jobs.jobs += [new_job(f"late-{late}", 10_000 + late) for late in range(joining)]

    jobs = List(250, before=before)
    reading = await jobs.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)


async def test_list_that_never_stops_growing_is_given_up():
    """A list that grows by a page with each request ends for all that, and is not whole."""
    jobs = List(250, before=lambda number: number < 150 and jobs.jobs.insert(0, new_job(f"new-{number}", number)))
    reading = await jobs.read()
    assert reading.failure is None
    assert len(jobs.asked) < 150


async def test_entry_on_two_pages_counts_once():
    """What is shown twice does not make up for what is not shown: the missing ones are looked for while any turns up."""
    jobs = List(300)
    until = {"job-150": 4, "job-160": 7}  # the first pass and the tail are four requests, another pass three more

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        return jobs.page(page.jobs[0] if len(jobs.asked) <= until.get(job.id, 0) else job for job in page.jobs)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert (reading.is_whole, jobs.shows_all()) == (True, True)


@pytest.mark.parametrize("name", ["job-120", None])
async def test_malformed_entries_count(name):
    """An entry that cannot be read is an entry, with an ID or without: nothing is missing for its sake."""
    jobs = List(250)

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        broken = [MalformedJob(name, "torn") for job in page.jobs if job.id == "job-120"]
        return jobs.page((job for job in page.jobs if job.id != "job-120"), broken)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert (reading.is_whole, len(jobs.asked)) == (True, 3)


async def test_malformed_entry_without_an_id_counts_once():
    """However often its page is read, it does not make up for an entry that was not shown."""
    jobs = List(250)

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        hidden = "job-120" if len(jobs.asked) <= 3 else None
        broken = [MalformedJob(None, "torn") for job in page.jobs if job.id == "job-240"]
        return jobs.page((job for job in page.jobs if job.id not in ("job-240", hidden)), broken)

    await PageNumberPagination(PageSplitter(fetch), jobs.process_page).read()
    assert "job-120" in jobs.shown


@pytest.mark.parametrize("at", range(1, 9))
async def test_page_that_fails_ends_it(at):
    """A failure is kept as it was and nothing more is asked for; what was shown before is taken."""
    jobs, failure = List(900), Failure(Reason.NETWORK, "reset")

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        return failure if len(jobs.asked) >= at and number == jobs.numbers[at - 1] else page

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    await reading.read()
    assert reading.failure is failure
    assert not reading.is_whole
    assert len(jobs.asked) <= at + MAX_CONCURRENT_PAGES
    assert len(jobs.taken) < len(jobs.asked)


async def test_failure_cuts_the_other_pages_off():
    """Requests that are still under way when one fails are not waited for."""
    jobs, failure = List(900), Failure(Reason.NETWORK, "reset")

    async def fetch(number, page_size):
        if number == 4:
            return failure
        if number:
            await anyio.sleep_forever()
        return await jobs.fetch(number, page_size)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page)
    with anyio.fail_after(30):
        await reading.read()
    assert reading.failure is failure
    assert [len(page) for page in jobs.taken] == [100]


class DiskFullError(Exception):
    """What taking a page may raise."""


@pytest.mark.parametrize("where", ["fetch", "process_page"])
async def test_exception_comes_out_as_itself(where):
    """Whatever `fetch` or `process_page` raises ends the reading and is no group, though pages are read side by side."""
    jobs = List(900)

    async def broken(*_):
        raise DiskFullError

    functions = {"fetch": jobs.fetch, "process_page": jobs.process_page} | {where: broken}
    with pytest.raises(DiskFullError):
        await PageNumberPagination(PageSplitter(functions["fetch"]), functions["process_page"]).read()


EXPECTED = 8
"""Pages that a list of 700 jobs needs, with the one behind its last full page."""


async def test_expected_pages_are_requested_at_once():
    """A list that is as long as before is read in one round, the last page first, and each page is requested once."""
    jobs, all_asked = List(700), anyio.Event()

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        if len(jobs.asked) == EXPECTED:
            all_asked.set()
        await all_asked.wait()
        return page

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page, expected=ExpectedPages(EXPECTED, fetch))
    with anyio.fail_after(30):
        await reading.read()
    assert (reading.is_whole, jobs.shows_all(), reading.pages_needed) == (True, True, EXPECTED)
    assert jobs.numbers == [7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 650, 699, 701, 1250])
async def test_list_of_another_length_than_expected_is_read_whole(length):
    """A list that has become shorter or longer is read whole, and no page of it is requested twice."""
    jobs = List(length)
    reading = await jobs.read(expected=EXPECTED)
    assert (reading.is_whole, reading.problem, jobs.shows_all()) == (True, None, True)
    assert len(jobs.asked) == len(set(jobs.asked)) == max(EXPECTED, length // 100 + 1)


@pytest.mark.parametrize(("reason", "status"), REFUSALS, ids=["404", "422", "500"])
async def test_expected_page_that_the_list_has_no_more_may_be_refused(reason, status):
    """A list that has become shorter is read well where the API refuses the pages that it had before."""
    jobs = List(250)

    async def fetch(number, page_size):
        page = await jobs.fetch(number, page_size)
        return page if number < 3 else Failure(reason, f"HTTP {status}", status=status)

    reading = PageNumberPagination(PageSplitter(fetch), jobs.process_page, expected=ExpectedPages(EXPECTED, fetch))
    await reading.read()
    assert (reading.is_whole, reading.problem, reading.holes, jobs.shows_all()) == (True, None, (), True)
    assert len(jobs.asked) == EXPECTED


@pytest.mark.parametrize("number", range(7))
async def test_expected_page_that_fails_is_requested_again(number):
    """A page that the list still has, and that failed among the expected ones, is read as any other, and the rest only once."""
    jobs, failure = List(700), Failure(Reason.NETWORK, "reset")

    async def fails_once(asked, page_size):
        page = await jobs.fetch(asked, page_size)
        return failure if asked == number else page

    reading = PageNumberPagination(PageSplitter(jobs.fetch), jobs.process_page, expected=ExpectedPages(EXPECTED, fails_once))
    await reading.read()
    assert (reading.is_whole, reading.problem, jobs.shows_all()) == (True, None, True)
    assert sorted(jobs.numbers) == sorted([*range(EXPECTED), *([number] if number else [])])


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("leaving", [slice(3, 4), slice(0, 100), slice(600, 700), slice(0, 450), slice(0, 700, 2)], ids=str)
async def test_list_that_shrinks_while_expected_pages_come_is_read_whole(at, leaving):
    """Entries that leave during any of the requests at once hide none of those that stay."""

    def before(number):
        if number == at:
            del jobs.jobs[leaving]

    jobs = List(700, before=before)
    reading = await jobs.read(expected=EXPECTED)
    assert (reading.is_whole, jobs.shows_all()) == (True, True)


@pytest.mark.parametrize("maximum", [99, 50, 7])
async def test_server_that_gives_smaller_pages_than_expected_is_read_whole(maximum):
    """Where pages have become smaller, those that were expected show other places: the list is read by its new pages."""
    jobs = List(250, maximum=maximum)
    reading = await jobs.read(expected=EXPECTED)
    assert (reading.is_whole, jobs.shows_all(), reading.pages_needed) == (True, True, 0)


@pytest.mark.parametrize(
    ("length", "total", "needed"),
    [
        (0, RIGHT, 0),
        (99, RIGHT, 0),
        (100, RIGHT, 2),
        (1550, RIGHT, 16),
        (1600, RIGHT, 0),
        (300, None, 0),
        (300, 100, 0),
        (300, 400, 0),
    ],
)
async def test_pages_are_expected_of_a_list_that_was_read_well(length, total, needed):
    """Of one page, of more than can be requested at once, or where totals are wrong or lacking, nothing is expected."""
    assert (await List(length, total=total).read()).pages_needed == needed

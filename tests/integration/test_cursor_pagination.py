"""Reading lists whose pages only follow each other: how far, at what cost, and what a page that fails leaves unread."""

from contextlib import asynccontextmanager

import pytest
from moving_api import CursorApi, SinglePageApi, UnorderedApi, new_job, stepped
from storage_engines import open_any_store

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.polling.pagination.cursor_pagination import CursorPagination
from tracker.polling.poller import Poller

BEGIN = 1_750_000_000
DAY = 86_400
SERVER = Failure(Reason.SERVER, "HTTP 500", status=500)


class Reading:
    """A list of `length` jobs, job 0 the newest, each a second older than the one before; and what was read of it."""

    def __init__(self, length, order=Order.NEWEST_FIRST, failing=()):
        self.capabilities = Capabilities(order=order)
        self.jobs = [new_job(f"job-{place}", BEGIN - place) for place in range(length)]
        self.failing = set(failing)  # an answer with one of these places is a 500
        self.sizes = []
        self.places = []  # that were processed, in that order

    async def list_jobs(self, _query, token, page_size):
        start = int(token or 0)
        self.sizes.append(page_size)
        places = range(start, min(start + page_size, len(self.jobs)))
        if self.failing.intersection(places):
            return SERVER
        following = str(start + page_size) if start + page_size < len(self.jobs) else None
        return Page(tuple(self.jobs[place] for place in places), (), None, next_token=following)

    async def process_page(self, page):
        self.places += [int(job.id.removeprefix("job-")) for job in page.jobs]

    async def read(self, created_after=None):
        pagination = CursorPagination(self, self, ListQuery(created_after=created_after), self.process_page)
        await pagination.read()
        return pagination


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 250])
async def test_list_is_read_to_its_end(length):
    """Each entry once, in the list's order, a request for each page."""
    reading = Reading(length)
    assert (await reading.read()).problem is None
    assert reading.places == list(range(length))
    assert len(reading.sizes) == max(1, -(-length // 100))


@pytest.mark.parametrize(
    ("order", "pages"), [pytest.param(Order.NEWEST_FIRST, 2, id="newest first"), pytest.param(Order.UNKNOWN, 5, id="unknown")]
)
async def test_list_is_read_as_far_as_its_order_allows(order, pages):
    """The newest first: down to the creation time that is asked for. In an order that is unknown: to the end."""
    reading = Reading(500, order)
    assert (await reading.read(created_after=BEGIN - 150)).problem is None
    assert len(reading.sizes) == pages


@pytest.mark.parametrize("place", [0, 1, 49, 99, 100, 157, 299])
async def test_all_before_an_entry_that_fails_is_read(place):
    """Its page is read in smaller pages, which takes few requests; the reading is not complete, and says how far it came."""
    reading = Reading(300, failing=[place])
    pagination = await reading.read()
    assert reading.places == list(range(place))
    assert len(reading.sizes) <= 20
    assert pagination.failure is SERVER
    assert pagination.problem.reason is (Reason.INCOMPLETE if place else Reason.SERVER)
    assert not place or f"beyond its first {place} entries" in pagination.problem.detail


async def test_page_that_is_too_large_for_the_api_costs_nothing():
    """Behind the entries that could only be read in smaller pages the pages are as large as before."""
    reading = Reading(400)
    answers = reading.list_jobs

    async def list_jobs(query, token, page_size):
        if token == "100" and page_size > 50:
            reading.sizes.append(page_size)
            return SERVER
        return await answers(query, token, page_size)

    reading.list_jobs = list_jobs
    assert (await reading.read()).problem is None
    assert reading.places == list(range(400))
    assert reading.sizes == [100, 100, 50, 50, 100, 100]


async def test_api_that_fails_is_asked_for_one_entry_more():
    """A whole list that fails is not read in ever smaller parts."""
    reading = Reading(300, failing=range(300))
    assert (await reading.read()).problem is SERVER
    assert reading.sizes == [100, 1]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(lambda _token: "100", "gave a page token twice", id="token repeated"),
        pytest.param(lambda token: f"{token}x", "ignores the page token", id="token ignored"),
    ],
)
async def test_api_that_never_ends_its_list_is_asked_no_further(answer, problem):
    """A list that goes in a circle, or shows its first page again and again, ends the reading, which says why."""
    reading = Reading(100)

    async def list_jobs(_query, token, _page_size):
        reading.sizes.append(token)
        assert len(reading.sizes) < 10, "it is asked again and again"
        circle = "twice" in problem
        page = tuple(reading.jobs[len(reading.sizes) * circle :][:50])
        return Page(page, (), None, next_token=answer(token))

    reading.list_jobs = list_jobs
    pagination = await reading.read()
    assert (pagination.problem.reason, len(reading.sizes)) == (Reason.INCOMPLETE, 2)
    assert problem in pagination.problem.detail


async def test_api_that_claims_no_more_and_repeats_its_page_has_shown_all():
    """Where an API does not say that there are more, a page that comes again ends the list, and what it lacks is said."""
    reading = Reading(100)

    async def list_jobs(_query, token, _page_size):
        reading.sizes.append(token)
        return Page(tuple(reading.jobs), (), None, next_token="any", next_is_guessed=True)

    reading.list_jobs = list_jobs
    pagination = await reading.read()
    assert (pagination.problem, len(reading.sizes), reading.places) == (None, 2, list(range(100)))
    assert pagination.limitation.endswith("ignores the page token: of a list only the first 100 entries can be read")


@pytest.mark.parametrize("refusals", [1, 2])
async def test_lost_token_starts_the_list_again_once(refusals):
    """Where the job is deleted that a token names, the list is read from its head; a second time it is the API's failure."""
    reading, refused = Reading(250), []
    answers = reading.list_jobs

    async def list_jobs(query, token, page_size):
        if token == "100" and len(refused) < refusals:
            refused.append(token)
            return Failure(Reason.NOT_FOUND, "no such batch", status=404)
        return await answers(query, token, page_size)

    reading.list_jobs = list_jobs
    pagination = await reading.read()
    assert (pagination.failure is None) == (set(reading.places) == set(range(250))) == (refusals == 1)


class World:
    """A poller before a moving API, on its clock."""

    def __init__(self, api, store, **poller):
        self.api = api
        self.poller = Poller("default", api, store, backfill=7 * DAY, now=lambda: api.clock * 1000, **poller)

    async def sweep(self, after=60):
        """The report, and how many requests it took."""
        self.api.clock += after
        self.api.asked.clear()
        before = self.api.requests
        report = await self.poller.poll_once()
        return report, self.api.requests - before

    async def watermark(self):
        return (await self.poller._checkpoint()).watermark


@asynccontextmanager
async def open_world(path, api=CursorApi):
    async with open_any_store(path) as store:
        world = World(api(BEGIN), store)
        world.api.page_limit = max(100, api.page_limit)
        yield world


@pytest.fixture
async def world(database):
    async with open_world(database) as opened:
        yield opened


async def test_first_contact_reads_down_to_the_horizon(world):
    """Of a history of a month the pages of the last week are read, and one that ends it."""
    for hours in range(30 * 24):
        created = BEGIN - hours * 3600 - 1800
        world.api.put(stepped(new_job(f"job-{hours:03d}", created), "SUCCESS", created))
    report, requests = await world.sweep()
    assert (report.failure, report.backfilled, requests) == (None, 7 * 24, 2)


async def test_quiet_sweep_costs_one_request(world):
    """However long the history is: the newest page shows that there is nothing new."""
    for number in range(1_000):
        world.api.put(stepped(new_job(f"job-{number:04d}", BEGIN - number * 60), "SUCCESS", BEGIN))
    await world.sweep()
    assert [(await world.sweep())[1] for _ in range(25)] == [1] * 25


async def test_old_active_jobs_are_asked_for_by_id(world):
    """A few that run since long before the newest page are followed by gets, not by reading back to them."""
    for number in range(1_000):
        world.api.put(stepped(new_job(f"job-{number:04d}", BEGIN - number * 60), "SUCCESS", BEGIN))
    for number in range(3):
        world.api.put(new_job(f"old-{number}", BEGIN - 100_000 - number))
    await world.sweep()
    report, requests = await world.sweep()
    assert (report.failure, requests, sorted(world.api.asked)) == (None, 4, ["old-0", "old-1", "old-2"])
    world.api.put(stepped(world.api.jobs["old-1"], "RUNNING", world.api.clock))
    report, _ = await world.sweep()
    assert report.events == 1


async def test_many_old_active_jobs_are_read_from_the_list(world):
    """More of them than a sweep asks for by id: the list is read back to the oldest, and no job waits for its turn."""
    for number in range(300):
        world.api.put(new_job(f"job-{number:04d}", BEGIN - number * 600))
    await world.sweep()
    report, requests = await world.sweep()
    assert (report.failure, report.shown, requests, world.api.asked) == (None, 300, 3, [])


async def test_creation_that_becomes_visible_late_is_found(world):
    """A list is read behind the newest known job: one that was created before it and is shown after it is logged."""
    world.api.put(new_job("first", BEGIN))
    await world.sweep()
    world.api.put(new_job("newest", world.api.clock + 60))
    await world.sweep()
    world.api.put(new_job("late", world.api.clock - 30))
    report, _ = await world.sweep(after=5)
    assert (report.events, report.failure) == (1, None)


async def test_entry_that_fails_costs_what_lies_behind_it_and_is_reported(world):
    """New jobs before it are logged, active ones behind it are asked for by id, and the watermark stays until it is well."""
    world.api.put(new_job("old", BEGIN))
    await world.sweep()
    before = await world.watermark()
    for name in ("behind", "bad", "new"):
        world.api.clock += 100
        world.api.put(new_job(name, world.api.clock))
    world.api.unlisted = {"bad"}
    world.api.put(stepped(world.api.jobs["old"], "RUNNING", world.api.clock))
    report, _ = await world.sweep()
    assert (report.failure.reason, report.events) == (Reason.INCOMPLETE, 2), "the new one, and the old one's start"
    assert "beyond its first 1 entries" in report.failure.detail
    assert await world.watermark() == before
    world.api.unlisted = set()
    report, _ = await world.sweep()
    assert (report.failure, report.events) == (None, 2), "the bad one, and the one behind it"
    assert await world.watermark() > before


@pytest.mark.parametrize("api", [CursorApi, UnorderedApi, SinglePageApi])
async def test_history_before_the_first_contact_stays_out_of_the_log(database, api):
    """Where no filter leaves it out: what ended before the horizon is no event."""
    async with open_world(database, api) as world:
        for days in range(20):
            created = BEGIN - days * DAY - 3600
            world.api.put(stepped(new_job(f"job-{days:02d}", created), "SUCCESS", created))
        report, _ = await world.sweep()
        assert (report.failure, report.backfilled) == (None, 7)

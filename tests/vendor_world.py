"""The random worlds of the poller with a vendor's real JSON, and what its sweeps cost.

A `VendorFake` says how a vendor writes a job and a page. The world's list has the shape that the vendor's has, and what it
shows goes through the vendor's own package: its requests, its mapping, its pages.

    FAKE = VendorFake(VENDORS["acme"], encode=…, decode=…, page=…, token="after", size="limit", lists=CursorApi)

    @worlds(10)
    def test_every_change_is_logged_once(steps, overlap, monkeypatch, tmp_path_factory):
        live_through(steps, overlap, monkeypatch, tmp_path_factory.mktemp("world") / "tracker.db", FAKE.api)

    async def test_sweeps_are_cheap(database):
        await prove_costs(FAKE, database)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any
from urllib.parse import unquote

import msgspec
from moving_api import CursorApi, MovingApi, new_job, stepped
from storage_engines import open_any_store

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import ListQuery
from tracker.http.client import Answer
from tracker.polling.poller import SWEEPS_UNTIL_ACTIVE_LIST, Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import RetryingProvider, RetryPolicy
from tracker.providers.vendor import Vendor

BASE = "https://api.example"
BEGAN = 1_750_000_000
HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class VendorFake:
    """How a vendor's API writes what a world has.

    `encode` makes the vendor's object of a BatchJob's JSON, of which any property may be missing; `decode` is its mapping.
    Made of what `decode` gives, the object has to be the same again. `page` makes an answer of objects and of the `Page` that
    they are, whose `next_token` leads to the one behind it. `token` and `size` are the names of parameters, if there are any.
    `job_id` gives the ID by the URL of a get, `query` what a list is asked for.
    """

    vendor: Vendor
    encode: Callable[[Mapping[str, Any]], Any]
    decode: Callable[[Any], Job | MalformedJob]
    page: Callable[[list[Any], Page], Any]
    token: str | None = None
    size: str | None = None
    lists: type[MovingApi] = CursorApi
    job_id: Callable[[str], str] = lambda url: unquote(url.rpartition("/")[2])
    query: Callable[[list[tuple[str, str]]], ListQuery] = lambda _params: ListQuery()

    def api(self, clock):
        """The API of a world that begins at `clock` (Unix seconds); see `MovingApi`."""
        return _api_class(self)(clock)

    def encoded(self, job):
        """The vendor's object of a job, or of an entry that cannot be read."""
        return self.encode({"id": job.id} if isinstance(job, MalformedJob) else job.to_data())


def _api_class(fake):
    class VendorApi(fake.lists):
        """The world's API, reached by the vendor's package; what it has been is what that package reads."""

        def __init__(self, clock):
            super().__init__(clock)
            self._provider = fake.vendor.open_jobs(_Requests(self, fake))

        @property
        def capabilities(self):
            return self._provider.capabilities

        def put(self, job):
            super().put(fake.decode(fake.encoded(job)))

        async def list_jobs(self, query, token, page_size):
            return await self._provider.list_jobs(query, token, page_size)

        async def get_job(self, job_id):
            return await self._provider.get_job(job_id)

        async def answer_list(self, query, token, page_size):
            return await super().list_jobs(query, token, page_size)

        async def answer_get(self, job_id):
            return await super().get_job(job_id)

    return VendorApi


class _Requests:
    """The `AuthorizedRequests` that a vendor's package is given: the world answers them."""

    def __init__(self, api, fake):
        self._api, self._fake = api, fake

    def url(self, path):
        return BASE + path

    def now(self):
        return self._api.clock * 1000

    async def get(self, call, url, params=()):
        assert call in ("list", "get"), "a sweep reads nothing else"
        assert url.startswith(BASE + "/"), "the key goes nowhere else"
        found = await (self._list(params) if call == "list" else self._get(url))
        return found if isinstance(found, Failure) else Answer(200, {}, msgspec.json.encode(found))

    async def _list(self, params):
        fake, given = self._fake, dict(params)
        page = await self._api.answer_list(
            fake.query(list(params)), given.get(fake.token), int(given.get(fake.size, self._api.page_limit))
        )
        if isinstance(page, Failure):
            return page
        return fake.page([fake.encoded(each) for each in (*page.jobs, *page.malformed)], page)

    async def _get(self, url):
        found = await self._api.answer_get(self._fake.job_id(url))
        return found if isinstance(found, Failure) else self._fake.encoded(found)


async def prove_costs(fake, database):
    """Assert what sweeps over 1,000 active jobs cost, and that 300 ends at once are found for no more.

    A quiet sweep costs at most 1.3 times the pages that the jobs fill; it records nothing.
    """
    api, recorded = fake.api(BEGAN), []
    api.page_limit = max(api.page_limit, api.capabilities.page_size)
    async with open_any_store(database) as store:
        provider = RetryingProvider(api, lambda: 0.5, RetryPolicy(first=0.0))
        callbacks = Callbacks(recorded=recorded.extend)
        poller = Poller("default", provider, store, backfill=24 * HOUR, now=lambda: api.clock * 1000, callbacks=callbacks)

        async def sweep():
            recorded.clear()
            api.clock += 15
            before = api.requests
            report = await poller.poll_once()
            assert report.failure is None
            return api.requests - before, [event.type for change in recorded for event in change.events]

        for number in range(1000):
            api.put(stepped(new_job(f"job-{number}", BEGAN - 5 * HOUR + number), "RUNNING", BEGAN))
        await sweep()
        most = 1.3 * ceil(1000 / api.page_limit)
        for _ in range(SWEEPS_UNTIL_ACTIVE_LIST + 2 if api.capabilities.filters_statuses else 4):
            cost, events = await sweep()
            assert (events, cost <= most) == ([], True), f"{cost} requests for {most / 1.3:g} pages"
        ending = list(api.jobs.values())[::3][:300]
        for job in ending:
            api.put(stepped(job, "SUCCESS", api.clock))
        cost, events = await sweep()
        assert len(events) == len(ending)
        assert cost <= most
        assert (await sweep())[1] == []

"""/metrics beside everything else: rendered in a thread, one page at a time, shared by those who wait."""

import gzip
import threading
from contextlib import asynccontextmanager

import anyio
import pytest
from waiting import until
from web_application import served_application

from tracker.metrics.text_format import OPENMETRICS, PROMETHEUS
from tracker.web.api import metrics as route


class Rendering:
    """A page that ends with `may_end`, and counts how often, in which threads, and how often at once it is made."""

    def __init__(self):
        self.may_end = threading.Semaphore(0)
        self.begun = 0
        self.at_once = self.most_at_once = 0
        self.threads = set()
        self.formats = []

    def __call__(self, format_):
        self.begun += 1
        number = self.begun
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.threads.add(threading.get_ident())
        assert self.may_end.acquire(timeout=30)
        self.at_once -= 1
        self.formats.append(format_)
        return b"page %d\n" % number


@pytest.fixture
def scraped(tmp_path):
    @asynccontextmanager
    async def scraped(rendering):
        rendering.render = rendering
        async with served_application(tmp_path / "tracker.db", metrics=rendering) as app:
            app.client.headers["accept-encoding"] = "identity"
            try:
                yield app.client
            finally:
                rendering.may_end.release(1000)

    return scraped


async def test_the_loop_goes_on_while_a_page_is_made(scraped):
    """A page that is under way delays no other request: one is answered before it, by the loop's own thread."""
    rendering = Rendering()
    async with scraped(rendering) as client, anyio.create_task_group() as group:
        pages = []

        async def scrape():
            pages.append((await client.get("/metrics")).text)

        group.start_soon(scrape)
        await until(lambda: rendering.begun)
        assert (await client.get("/healthz")).status_code == 200
        assert pages == []
        rendering.may_end.release()
    assert pages == ["page 1\n"]
    assert threading.get_ident() not in rendering.threads


async def test_scrapes_do_not_pile_up():
    """Many who ask while a page is made wait and share the next one: two pages for thirty, never two at a time, none stale."""
    rendering = Rendering()
    exposition, pages = route.SingleFlightExposition(rendering), []

    async def scrape():
        pages.append((await exposition.answer()).body)

    async with anyio.create_task_group() as group:
        group.start_soon(scrape)
        await until(lambda: rendering.begun)
        for _ in range(29):
            group.start_soon(scrape)
        await until(lambda: exposition._lock.statistics().tasks_waiting == 29)
        rendering.may_end.release(2)
    assert (rendering.begun, rendering.most_at_once) == (2, 1)
    assert sorted(pages) == [b"page 1\n"] + [b"page 2\n"] * 29


async def test_each_format_has_its_own_page():
    """Who asks for OpenMetrics while pages of text are awaited gets its own page, shared with those who ask for the same."""
    rendering = Rendering()
    exposition, answers = route.SingleFlightExposition(rendering), []

    async def scrape(accept):
        answers.append((accept, await exposition.answer(accept=accept)))

    async with anyio.create_task_group() as group:
        group.start_soon(scrape, "text/plain")
        await until(lambda: rendering.begun)
        for accept in ("text/plain", "application/openmetrics-text") * 5:
            group.start_soon(scrape, accept)
        await until(lambda: exposition._lock.statistics().tasks_waiting == 10)
        rendering.may_end.release(3)
    assert [format_.media_type for format_ in rendering.formats].count(OPENMETRICS.media_type) == 1
    assert (rendering.begun, rendering.most_at_once) == (3, 1)
    assert {(accept, answer.media_type) for accept, answer in answers} == {
        ("text/plain", PROMETHEUS.media_type),
        ("application/openmetrics-text", OPENMETRICS.media_type),
    }
    assert len({answer.body for accept, answer in answers if accept == "application/openmetrics-text"}) == 1


async def test_page_that_fails_is_given_to_nobody():
    """Where a rendering fails those who wait for the next page get a whole one, not what was not finished."""
    rendering = Rendering()

    def failing(format_):
        page = rendering(format_)
        if rendering.begun == 2:
            raise OSError("canary")
        return page

    exposition, pages = route.SingleFlightExposition(failing), []

    async def scrape():
        try:
            pages.append((await exposition.answer()).body)
        except OSError:
            pages.append("failed")

    async with anyio.create_task_group() as group:
        group.start_soon(scrape)
        await until(lambda: rendering.begun)
        group.start_soon(scrape)
        group.start_soon(scrape)
        await until(lambda: exposition._lock.statistics().tasks_waiting == 2)
        rendering.may_end.release(3)
    assert pages == [b"page 1\n", "failed", b"page 3\n"]


async def test_page_that_never_ends_is_not_waited_for_long(monkeypatch, scraped):
    """A request that waits longer than Prometheus does fails with the reason; the next page comes as soon as it can."""
    monkeypatch.setattr(route, "LONGEST_WAIT", 0.05)
    rendering = Rendering()
    async with scraped(rendering) as client, anyio.create_task_group() as group:
        group.start_soon(client.get, "/metrics")
        await until(lambda: rendering.begun)
        assert (await client.get("/metrics")).status_code == 503
        rendering.may_end.release(2)
        await until(lambda: not rendering.at_once)
        answer = await client.get("/metrics")
        assert (answer.status_code, answer.text) == (200, "page 2\n")


@pytest.mark.parametrize(("accepted", "zipped"), [("gzip", True), ("gzip;q=1.0, br", True), ("identity", False), ("br", False)])
async def test_compressed_where_that_is_accepted(accepted, zipped, scraped):
    """Prometheus asks for gzip and is given it; who does not is given the text."""
    rendering = Rendering()
    rendering.may_end.release()
    async with scraped(rendering) as client, client.stream("GET", "/metrics", headers={"accept-encoding": accepted}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert answer.headers.get("content-encoding") == ("gzip" if zipped else None)
    assert (gzip.decompress(raw) if zipped else raw) == b"page 1\n"

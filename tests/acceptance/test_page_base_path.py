"""The pages below a path of a real reverse proxy, in a real browser: everything works there, live updates and the login too."""

import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from browsing import chromium, opened, text
from job_changes import seen_many
from matrix import matrix
from proxied import nginx
from tracking import Installation, simulated
from web_application import served_application

from tracker.web.public_url import PublicUrl

PATH = "/ops/tracker"
NEWEST = "Number(document.querySelector('#entries > li:last-child').dataset.key)"
WAYS = [
    pytest.param("proxy_pass http://127.0.0.1:{port}/;", id="it strips the path and changes the host"),
    pytest.param("proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $host;", id="it keeps the path and the host"),
]


def free_ports(number):
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


@pytest.mark.slow
@pytest.mark.parametrize("way", matrix(WAYS))
async def test_everything_works_behind_nginx(tmp_path, way):
    """Who opens the path logs in there, sees jobs move and the log grow, follows links and logs out, and leaves it never."""
    outside, inside = free_ports(2)
    async with simulated(speed=40, jobs=12) as simulator:
        installation = Installation(tmp_path, simulator.url)
        installation.environment["PAGE_TOKEN"] = "canary-page-token-2718"
        http = f'listen = "127.0.0.1:{inside}"\ntoken = {{ env = "PAGE_TOKEN" }}\nexternal_url = "http://127.0.0.1:{outside}{PATH}/"'
        lines = installation.config.read_text().replace('listen = "127.0.0.1:0"', http)
        assert http in lines
        installation.config.write_text(lines)
        async with (
            installation.running(),
            nginx(tmp_path, outside, PATH, way.format(port=inside)),
            chromium() as browser,
            opened(browser, f"http://127.0.0.1:{outside}") as page,
        ):
            asked = []
            page.on("request", lambda request: asked.append(urlsplit(request.url).path))
            await page.goto(f"{PATH}/events?type=batch.*")
            await page.fill("input[name=token]", "canary-page-token-2718")
            await page.click("main button")
            await page.wait_for_url(f"**{PATH}/events?type=batch.*")
            await page.wait_for_selector("#connection[data-state=live]")
            last = await page.evaluate("document.querySelector('#entries > li:last-child').dataset.key")
            await page.wait_for_function(
                "last => document.querySelector('#entries > li:last-child').dataset.key > last", arg=last
            )
            await page.click("nav >> text=Jobs")
            await page.wait_for_selector("#connection[data-state=live]")
            await page.wait_for_selector("tr.fresh, [data-key=active] tbody tr")
            await page.click("tbody tr a >> nth=0")
            assert "Timeline" in await text(page, "main")
            await page.click("text=All events of this job")
            await page.wait_for_selector("#entries > li")
            for name in ("Receivers", "Accounts", "Jobs"):
                await page.click(f"nav >> text={name}")
                assert await page.title() == f"{name} · batch-tracker"
            await page.fill("input[name=text]", "nothing like that")
            await page.press("input[name=text]", "Enter")
            await page.wait_for_url(f"**{PATH}/?text=*")
            await page.click("text=Log out")
            await page.wait_for_url(f"**{PATH}/login")
            assert {path for path in asked if not path.startswith(PATH + "/")} == set()
            assert f"{PATH}/api/stream" in asked


async def test_nginx_keeps_no_event_back(tmp_path):
    """One small event, with nothing behind it, comes through the proxy at once."""
    (outside,) = free_ports(1)
    async with served_application(tmp_path / "tracker.db", public_url=PublicUrl(base_path=PATH)) as app:
        way = f"proxy_pass http://127.0.0.1:{app.client.base_url.port};"
        async with (
            nginx(tmp_path, outside, PATH, way),
            httpx.AsyncClient(timeout=10.0) as client,
            client.stream("GET", f"http://127.0.0.1:{outside}{PATH}/api/stream") as answer,
        ):
            pieces = answer.aiter_raw()
            assert b": hello" in await anext(pieces)
            await app.store.record("one", seen_many(1))
            assert b"event: batch.created" in await anext(pieces)


@pytest.mark.slow
async def test_a_page_of_a_log_that_was_replaced_is_loaded_again(tmp_path):
    """Where the log ends before what a page has seen, as after a restore, the page loads what there is, and follows that."""
    async with simulated(jobs=5) as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon, chromium() as browser, opened(browser, daemon.url) as page:
            loads = []

            async def of_another_log(route):
                loads.append(route.request.url)
                answer = await route.fetch()
                body = await answer.text()
                seen = body.replace('data-after="', 'data-after="9999') if len(loads) == 1 else body
                await route.fulfill(response=answer, body=seen)

            await page.route("**/events", of_another_log)
            await page.goto("/events")
            await page.wait_for_function("() => !document.body.dataset.after.startsWith('9999')")
            await page.wait_for_selector("#connection[data-state=live]")
            assert len(loads) >= 2

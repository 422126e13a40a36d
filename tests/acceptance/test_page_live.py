"""The pages beside a daemon that watches a simulated API: they move by themselves, and lose nothing when the daemon goes."""

import re
import signal
import socket
from contextlib import asynccontextmanager

import pytest
from browsing import chromium, opened, text
from tracking import Installation, simulated

pytestmark = pytest.mark.slow

BARS = """Object.fromEntries([...document.querySelectorAll('[data-key=active] tbody tr')]
  .map(row => [row.dataset.key, Number(row.querySelector('[role=progressbar]').ariaValueNow)]))"""
ENDED = "[...document.querySelectorAll('[data-key=ended] tbody tr')].map(row => row.dataset.key)"


@pytest.fixture(scope="module")
async def browser(anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    async with chromium() as browser:
        yield browser


def installed(folder, api, **account):
    """An installation that listens on one port whenever it runs."""
    installation = Installation(folder, api, **account)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    installation.url = f"http://127.0.0.1:{port}"
    installation.config.write_text(installation.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
    return installation


@asynccontextmanager
async def page_of_daemon(browser, folder, *, speed, jobs, **settings):
    """A page, still empty, whose addresses are those of a daemon that watches a simulated API; and the installation."""
    async with simulated(speed=speed, jobs=jobs) as simulator:
        installation = installed(folder, simulator.url)
        async with installation.running() as daemon, opened(browser, daemon.url, **settings) as page:
            yield page, installation


async def test_jobs_move_and_end_before_the_readers_eyes(browser, tmp_path):
    """In a simulated day bars grow, and jobs that end move to the ended ones with their outcome; nothing is loaded again."""
    async with page_of_daemon(browser, tmp_path, speed=40, jobs=8) as (page, _):
        await page.goto("/")
        await page.wait_for_selector("#connection[data-state=live]")
        await page.evaluate("window.before = {}; window.loadedOnce = true")
        grown = "([key, value]) => value > (before[key] ??= value)"
        await page.wait_for_function(f"() => Object.entries({BARS}).some({grown})")
        active = await page.evaluate(f"Object.keys({BARS})")
        await page.wait_for_function(f"active => {ENDED}.some(key => active.includes(key))", arg=active)
        key = await page.evaluate(f"active => {ENDED}.find(key => active.includes(key))", active)
        outcome = await page.inner_text(f"[data-key=ended] tr[data-key='{key}'] .chip")
        assert outcome.strip().lower() in ("succeeded", "partial", "all failed", "failed", "out of time", "cancelled")
        assert await page.evaluate("loadedOnce")


@pytest.mark.slow
async def test_rows_change_in_place(browser, tmp_path):
    """A row whose bar has moved is the same row still: what had the focus has it, and what was opened is open."""
    async with page_of_daemon(browser, tmp_path, speed=2, jobs=6) as (page, _):
        await page.goto("/?status=RUNNING")
        await page.wait_for_selector("[data-key=active] tbody tr")
        await page.click("[data-key=active] tbody tr >> nth=0 >> a")
        await page.evaluate("document.querySelector('[data-key=\"raw json\"]').open = true")
        await page.focus("text=All events of this job")
        await page.evaluate("window.bar = document.querySelector('[role=progressbar]')")
        await page.evaluate("window.figures = document.querySelector('.figures dd').innerText")
        await page.wait_for_function("() => document.querySelector('.figures dd').innerText !== figures")
        assert await page.evaluate("bar.isConnected")
        assert await page.evaluate("document.activeElement.innerText") == "All events of this job"
        assert await page.evaluate("document.querySelector('[data-key=\"raw json\"]').open")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
async def test_overview_follows_the_jobs(browser, tmp_path, width):
    """Its numbers and its chart change by themselves, each chart says in words what it shows, and a link keeps the focus."""
    settings = {"viewport": {"width": width, "height": 800}}
    async with page_of_daemon(browser, tmp_path, speed=40, jobs=8, **settings) as (page, _):
        await page.goto("/")
        await page.wait_for_selector(".overview .bars a")
        await page.wait_for_selector("#connection[data-state=live]")
        await page.focus(".overview .bars a")
        await page.evaluate("window.ended = () => Number(document.querySelector('.big b').innerText)")
        await page.evaluate("window.before = ended()")
        await page.wait_for_function("() => ended() > before")
        words = await page.text_content("#ends-text")
        assert re.match(r"\d+ jobs ended in the last 24 hours", words)
        assert await page.locator(".ends rect[class^=fill]").count() > 0
        assert await page.evaluate("document.activeElement.closest('.overview') !== null")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
async def test_documentation_is_read_in_a_browser(browser, tmp_path):
    """From the index to a guide, to a part of it and to another guide; the address names the part, on a phone as well."""
    async with simulated() as simulator:
        installation = installed(tmp_path, simulator.url)
        async with installation.running() as daemon:
            for width in (1280, 390):
                async with opened(browser, daemon.url, viewport={"width": width, "height": 800}) as page:
                    await page.goto("/docs")
                    await page.click("article >> text=Configuration")
                    await page.click(".toc >> text=http.listen")
                    assert page.url.endswith("/docs/configuration#httplisten")
                    top = await page.evaluate("document.querySelector('#httplisten').getBoundingClientRect().top")
                    assert 0 <= top < 100
                    await page.click("article >> text=tracker/schemas/README.md >> nth=0")
                    assert await text(page, "h1") == "Events #"
                    await page.click("nav[aria-label=Documentation] >> text=API")
                    await page.click("text=Example of 200 >> nth=0")
                    assert '"status": "ok"' in await page.inner_text("details[open] pre >> nth=0")
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
async def test_page_recovers_and_misses_nothing(browser, tmp_path):
    """The daemon is killed and comes back: the feed says that it is gone, then has every event of the log, in order."""
    async with simulated(speed=60, jobs=4) as simulator:
        installation = installed(tmp_path, simulator.url)
        async with opened(browser, installation.url, allowed=["net::ERR"]) as page:
            async with installation.running() as daemon:
                await page.goto("/events")
                await page.wait_for_selector("#connection[data-state=live]")
                await page.evaluate("window.loadedOnce = true")
                await daemon.stop(signal.SIGKILL)
            await page.wait_for_selector("#connection:is([data-state=reconnecting], [data-state=offline])")
            async with installation.running() as daemon:
                await page.wait_for_selector("#connection[data-state=live]")
                seen = len(await installation.wait_for_events(lambda events: len(events) > 0))
                events = await installation.wait_for_events(lambda events: len(events) > seen + 5)
                last = events[-1]["seq"]
                await page.wait_for_function("last => Number(entries.lastElementChild?.dataset.key) >= last", arg=last)
                keys = [int(key) for key in await page.evaluate("[...entries.children].map(each => each.dataset.key)")]
                assert keys == [*range(keys[0], keys[-1] + 1)]
                assert await page.evaluate("loadedOnce")


@pytest.mark.slow
async def test_who_has_to_log_in_gets_where_he_was_going(browser, tmp_path):
    """With a token every page leads to the login and from there on; a page that was open when its session ended leads back."""
    async with simulated(speed=60, jobs=4) as simulator:
        installation = installed(tmp_path, simulator.url)
        installation.environment["TOKEN"] = "canary-token-1618"
        installation.config.write_text(
            installation.config.read_text().replace("[[accounts]]", 'token = { env = "TOKEN" }\n[[accounts]]', 1)
        )
        async with opened(browser, installation.url, allowed=["net::ERR", "401"]) as page:
            async with installation.running():
                await page.goto("/events?type=batch.created")
                assert "Log in" in await text(page, "h1")
                await page.fill("input[name=token]", "canary-token-1618")
                await page.press("input[name=token]", "Enter")
                await page.wait_for_selector("#connection[data-state=live]")
                assert page.url.endswith("/events?type=batch.created")
                assert "canary" not in await page.content()
            async with installation.running():
                await page.wait_for_url("**/login?**")
                await page.fill("input[name=token]", "canary-token-1618")
                await page.press("input[name=token]", "Enter")
                await page.wait_for_selector("#connection[data-state=live]")
                assert page.url.endswith("/events?type=batch.created")


@pytest.mark.slow
async def test_feed_waits_for_the_reader(browser, tmp_path):
    """A reader who has scrolled up stays there and sees the number of new events; a click leads to the newest."""
    async with page_of_daemon(browser, tmp_path, speed=60, jobs=10) as (page, installation):
        await installation.wait_for_events(lambda events: len(events) > 60)
        await page.goto("/events")
        await page.wait_for_selector("#connection[data-state=live]")
        await page.evaluate("feed.scrollTop = 0")
        await page.wait_for_selector("#jump:visible")
        assert await page.evaluate("feed.scrollTop") == 0
        assert re.fullmatch(r"\d+ new", await text(page, "#jump"))
        await page.click("#jump")
        await page.wait_for_selector("#jump", state="hidden")
        seen = await page.evaluate("entries.lastElementChild.dataset.key")
        await page.wait_for_function(
            "seen => Number(entries.lastElementChild.dataset.key) > seen"
            " && feed.scrollHeight - feed.scrollTop - feed.clientHeight < 5",
            arg=int(seen),
        )

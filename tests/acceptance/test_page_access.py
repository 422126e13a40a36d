"""The accessibility of the pages: axe-core finds nothing in either theme, the keyboard reaches all, scripts are extra."""

import json

import pytest
from browsing import chromium, opened, text
from fixed_receiver import answering, installed
from npm import installed as npm_installed
from page_log import log_something_of_everything

from tracker.daemon.control.control_file import control_file_path
from tracker.web.pages.rendering.formatting import due

pytestmark = pytest.mark.slow

PAGES = [
    "/",
    "/?status=SUCCESS&text=nothing",
    "/jobs/job-steady",
    "/jobs/job-failed?account=default",
    "/jobs/job-archived",
    "/jobs/job-pending",
    "/events",
    "/events?type=batch.failed",
    "/receivers",
    "/receivers/pipeline?state=dead",
    "/accounts",
    "/replicas",
    "/silences",
    "/docs",
    "/docs/api",
    "/docs/operating",
    "/docs/events#batchcompleted",
    "/docs/files/config/tracker.toml",
    "/login",
    "/nowhere",
]
NOT_FOUND = "404 (Not Found)"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
async def browser(anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of npm's axe-core."""
    folder = npm_installed("axe", tmp_path_factory.mktemp("npm"))
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


@pytest.fixture
async def shown(tmp_path):
    """A daemon whose log has something of everything, and whose receivers answer 204."""
    async with answering() as receiver:
        installation = installed(tmp_path, pipeline=receiver.url, gone=receiver.url)
        await log_something_of_everything(installation.database)
        async with installation.running() as daemon:
            daemon.control = json.loads(control_file_path(installation.database).read_text())["token"]
            daemon.receiver = receiver
            yield daemon


async def violations(page, axe):
    await page.evaluate(axe)
    found = await page.evaluate("rules => axe.run(document, rules)", RULES)
    return [(each["id"], each["help"], each["nodes"][0]["html"][:200]) for each in found["violations"]]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
async def test_axe_finds_nothing_on_any_page(browser, axe, shown, scheme, width):
    """No page, wide and light or narrow and dark, violates WCAG 2.2 AA or axe's best practices, or scrolls sideways."""
    found = {}
    settings = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    async with opened(browser, shown.url, allowed=[NOT_FOUND], **settings) as page:
        for path in PAGES:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
            found[path] = await violations(page, axe)
    assert {path: what for path, what in found.items() if what} == {}


async def test_keyboard_walks_every_page(browser, shown):
    """Tab goes to the skip link first, which leads to the content, then through every link and button, each with an outline."""
    async with opened(browser, shown.url) as page:
        await page.goto("/")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Skip to content"
        await page.keyboard.press("Enter")
        assert await page.evaluate("document.activeElement.id") == "main"
        for path in ("/", "/jobs/job-steady", "/jobs/job-archived", "/receivers"):
            await page.goto(path)
            expected = await page.evaluate(
                "[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex=\"0\"]')]"
                ".filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)')).length"
            )
            assert await walk(page) == expected


async def walk(page):
    """Tab until the walk is round: how many stops there are, at each of which something can be seen to have the focus."""
    seen = 0
    while True:
        await page.keyboard.press("Tab")
        stop = await page.evaluate(
            "(e => e === document.body || e.dataset.walked ? null : (e.dataset.walked = 1, getComputedStyle(e).outlineStyle))"
            "(document.activeElement)"
        )
        if stop is None:
            return seen
        assert stop != "none"
        seen += 1


async def test_everything_is_there_without_scripts(browser, shown):
    """With scripts off the jobs, a job's timeline and chart, filters, the log and its older part, all can be read."""
    async with opened(browser, shown.url, java_script_enabled=False) as page:
        await page.goto("/")
        await page.fill("input[name=text]", "RESEARCH")
        await page.press("input[name=text]", "Enter")
        assert await page.locator("tbody tr").count() == 1
        await page.click("tbody th a")
        assert "metadata.team research" in await text(page, "main")
        await page.goto("/jobs/job-steady")
        assert await page.locator("figure svg path.done").count() == 1
        assert "batch.progress \N{MULTIPLICATION SIGN} 11" in await text(page, ".timeline")
        await page.click("summary:has-text('The figures as a table')")
        assert "682221000" in (await text(page, ".raw-table")).replace(" ", "").replace("\u202f", "")
        await page.click("text=All events of this job")
        assert await page.locator("#entries > li").count() == 13
        await page.click("text=Ends")
        assert "No event like that" in await text(page, "main")


async def test_replay_asks_for_the_token_and_needs_no_script(browser, shown):
    """Who has not logged in is asked to; with the token the dead are delivered again, one and then all, until logged out."""
    async with opened(browser, shown.url, java_script_enabled=False, allowed=["401"]) as page:
        await page.goto("/receivers")
        assert await page.locator("form[action*=replay]").count() == 0
        await page.click("text=Log in to deliver again")
        await page.fill("input[name=token]", "not the token")
        await page.click("main button")
        assert "not the token" in await text(page, "[role=alert]")
        await page.fill("input[name=token]", shown.control)
        await page.click("main button")
        await page.wait_for_url("**/receivers")
        await page.wait_for_selector("dl > div:has(dt:text-is('Waiting')) dd:text-is('0')")
        before = len(shown.receiver.got)
        dead = await page.locator("button:has-text('Retry')").count()
        await page.click("button:has-text('Retry') >> nth=0")
        assert "1 delivery is under way again" in await text(page, "main")
        await shown.receiver.wait_for(before + 1)
        await page.click("button:has-text('dead again')")
        await shown.receiver.wait_for(before + dead)
        await page.click("button:has-text('Enable')")
        assert "The receiver is enabled" in await text(page, "main")
        await page.click("text=Log out")
        await page.goto("/receivers")
        assert await page.locator("form[action*=replay]").count() == 0


async def test_scripts_and_server_say_the_same_of_times(browser, shown):
    """What is to come is never some time ago, neither as the page comes nor as its clock goes on."""
    distances = [300, 1.5, 0.5, -0.5, -1.5, -2.4, -90, -4000]
    async with opened(browser, shown.url) as page:
        await page.goto("/accounts")
        said = await page.evaluate(
            """async distances => {
              const script = document.querySelector("script[src]").src;
              const times = await import(script.replace(/live_updates[.]js.*/, "relative_times.js"));
              const now = new Date(1.75e12);
              return distances.map(each => times.due(new Date(1.75e12 + each * 1000), now));
            }""",
            distances,
        )
    assert said == [due(1_750_000_000 + each, 1_750_000_000.0) for each in distances]

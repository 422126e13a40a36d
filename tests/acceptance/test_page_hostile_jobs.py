"""Nothing of a job becomes markup, steers the reader's eye, or takes a page over; ten thousand jobs do not either."""

import pytest
from browsing import chromium, opened, text
from page_log import HOSTILE, HOSTILE_ID, UNREACHABLE, log_hostile_jobs, log_many_jobs
from tracking import Installation

pytestmark = pytest.mark.slow

STEERING = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u202a-\\u202e\\u2066-\\u2069]"
HARM = HOSTILE["script"]


@pytest.fixture(scope="module")
async def browser(anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    async with chromium() as browser:
        yield browser


def installed(folder):
    installation = Installation(folder, UNREACHABLE, poll_interval="1h")
    with installation.config.open("a") as config:
        config.write(f'[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "{UNREACHABLE}"\nevents = ["batch.*"]\n')
    return installation


async def test_hostile_jobs_are_only_text(browser, tmp_path):
    """Markup in metadata, model, errors, ids, statuses and answers is shown letter by letter, wherever it comes up."""
    installation = installed(tmp_path)
    await log_hostile_jobs(installation.database)
    async with installation.running() as daemon, opened(browser, daemon.url) as page:
        for path in ("/", "/jobs/worst", "/events", "/events?job=worst", "/receivers", "/receivers/pipeline"):
            await page.goto(path)
            await page.wait_for_selector("main")
            assert await page.evaluate("window.harmed") is None, path
            assert await page.locator("main :is(script, img, [onerror], [onload], [onclick], a[href^=javascript])").count() == 0
            assert await page.evaluate(f"/{STEERING}/.test(document.documentElement.outerHTML)") is False, path
            assert await page.evaluate("document.documentElement.scrollWidth") <= 1280, path
        await page.goto("/jobs/worst")
        shown = await page.inner_text("main")
        assert HARM in shown
        assert f"such as sample {HARM}" in shown
        assert "Archived in part" in shown
        assert HOSTILE["template"] in shown
        assert "</script><script>window.harmed=1</script>" in shown
        await page.goto("/")
        await page.locator(f"tbody tr[data-key*='{HOSTILE_ID[:8]}'] th a").click()
        await page.wait_for_url("**/jobs/**")
        assert await page.inner_text(".whole-id") == HOSTILE_ID


@pytest.mark.slow
async def test_ten_thousand_jobs_stay_small(browser, tmp_path):
    """Of ten thousand jobs a page has 65 rows; a filter finds the one that is meant, and pages lead to the last job."""
    installation = installed(tmp_path)
    await log_many_jobs(installation.database, 10_000)
    async with installation.running() as daemon, opened(browser, daemon.url) as page:
        await page.goto("/")
        assert "10 000 known, 1 000 active".replace(" ", "\u202f") in (await page.inner_text("main")).replace(" ", "\u202f")
        assert await page.locator("tbody tr").count() == 65
        assert await page.evaluate("document.querySelectorAll('*').length") < 5000
        assert await page.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize") < 400_000
        await page.fill("input[name=text]", "team-777")
        await page.fill("input[name=model]", "model-[0]")
        await page.click("button:has-text('Search')")
        await page.wait_for_url("**text=team-777**")
        keys = "[...document.querySelectorAll('tbody tr')].map(row => row.dataset.key)"
        found = await page.evaluate(keys)
        earlier = page.locator("text=Earlier ended jobs")
        while await earlier.count():  # some thousand jobs are looked through at a time
            await page.goto(await earlier.get_attribute("href"))
            found += await page.evaluate(keys)
        assert sorted(found) == ["default job-00777", "default job-07777"]
        await page.goto("/?active=true")
        for _ in range(19):
            await page.click("text=More active jobs")
        assert "job-00000" in await text(page, "main")
        assert await page.locator("text=More active jobs").count() == 0

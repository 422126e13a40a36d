"""A job's results in a real Chromium: the way from the page over the login to the file."""

import pytest
from archived_files import archive, put
from archiving import ended, results_of
from browsing import chromium, opened, text
from web_application import CONTROL, served_application

CONTENT = b"".join(b'{"custom_id": "%d"}\n' % number for number in range(100_000))


@pytest.fixture(scope="module")
async def browser(anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    async with chromium() as browser:
        yield browser


@pytest.mark.slow
async def test_results_appear_on_an_open_page(browser, tmp_path):
    """A page that is open while results are archived shows them at once, and is not loaded again."""
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        change = ended("job-1", account="one", output="output")
        await app.store.record("one", [change])
        async with opened(browser, str(app.client.base_url).rstrip("/")) as page:
            await page.goto("/jobs/job-1")
            await page.wait_for_selector("#connection[data-state=live]")
            assert "not archived yet" in (await text(page, "[data-key=results]")).lower()
            await page.evaluate("window.loadedOnce = true")
            file = await put(tmp_path / "results", CONTENT)
            await app.store.archive.record(results_of(change, files=(file,)))
            await page.wait_for_selector("[data-key=results] a:has-text('Log in to download')")
            assert await page.evaluate("loadedOnce")


@pytest.mark.slow
async def test_file_is_downloaded_after_the_login(browser, tmp_path):
    """Who has not logged in is asked to, is back on the job's page then, and gets the whole file under its name."""
    async with served_application(tmp_path / "tracker.db", archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", job="a/b", output=CONTENT)
        async with opened(browser, str(app.client.base_url).rstrip("/"), accept_downloads=True) as page:
            await page.goto("/jobs/a%2Fb")
            await page.click("text=Log in to download")
            await page.fill("input[name=token]", CONTROL)
            await page.click("main button")
            await page.wait_for_url("**/jobs/a%2Fb?account=one")
            async with page.expect_download() as download:
                await page.click("[data-key=results] a:has-text('Download')")
            saved = await download.value
            assert saved.suggested_filename == "a_b-output.jsonl"
            await saved.save_as(tmp_path / "saved.jsonl")
            assert (tmp_path / "saved.jsonl").read_bytes() == CONTENT
            assert "2.3 MB, 100 000 lines" in (await text(page, "[data-key=results]")).replace("\u202f", " ")

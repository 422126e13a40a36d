"""A real Chromium, and pages in it that may do nothing that they should not: each proves that for as long as it is open."""

import os
import shutil
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 20_000
"""Milliseconds that a page gets for what it shall show."""

WATCH = """
window.violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


@asynccontextmanager
async def chromium():
    if "BATCH_TRACKER_CI" not in os.environ and not shutil.which(CHROMIUM):
        pytest.skip("Debian's chromium is not installed")
    from playwright.async_api import async_playwright  # noqa: PLC0415 - long to load, and each worker collects all tests

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser, url, *, allowed=(), **settings):
    """A page of the daemon at `url`, which is its base.

    In the end it has asked no other host for anything, met no Content-Security-Policy, and said nothing on the console but what
    contains one of `allowed`.
    """
    settings = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"} | settings
    context = await browser.new_context(base_url=url, **settings)
    context.set_default_timeout(PATIENCE)
    asked, said = [], []
    context.on("request", lambda request: asked.append(request.url))
    context.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    context.on("weberror", lambda error: said.append(str(error.error)))
    await context.add_init_script(WATCH)
    try:
        page = await context.new_page()
        yield page
        if settings.get("java_script_enabled", True):
            assert await page.evaluate("violations") == []
    finally:
        await context.close()
    assert {urlsplit(each).netloc for each in asked} <= {urlsplit(url).netloc}
    assert [each for each in said if not any(part in each for part in allowed)] == []


async def text(page, selector):
    """What a reader sees there, in one line."""
    return " ".join((await page.inner_text(selector)).split())

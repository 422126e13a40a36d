"""The overview over the real application: at /api/overview, and above the jobs on the page."""

import json
import re
from html import unescape

import anyio
from job_changes import seen
from web_application import fill, served_application

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import parse_iso
from tracker.core.jobs.status import QUEUED, RUNNING
from tracker.web import overview_cache

HOSTILE = "<script>alert(1)</script>"


async def get(app):
    return (await app.get("/api/overview")).json()


async def section_of(app, url="/"):
    """The overview on the page as HTML; "" if there is none."""
    html = (await app.get(url, headers={"accept": "text/html"})).text
    return (re.findall('<section class="overview".*?</section>', html, re.DOTALL) or [""])[0]


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def all_kinds(now):
    """Running and queued jobs of two models, and ends of this hour."""
    at = now // 1000
    done = {"total_requests": 40, "completed_requests": 40}
    return [
        seen("runs", account="one", status=RUNNING, model="small", created_at=at),
        seen("waits", account="one", status=QUEUED, model=HOSTILE, created_at=at - 7200),
        seen("risky", account="one", status=RUNNING, model="small", succeeded_requests=5, failed_requests=15, created_at=at),
        seen("good", account="one", status="SUCCESS", completed_at=at, **done, succeeded_requests=40),
        seen("part", account="one", status="SUCCESS", completed_at=at, **done, succeeded_requests=3),
    ]


async def test_api_has_the_figures_and_what_needs_a_person(tmp_path):
    """Models, the slowest queue, 24 hours, and each concern with its names; the account's own `failed_share` decides."""
    async with served_application(tmp_path / "tracker.db") as app:
        await fill(app.store, 2)
        now = app.daemon.now()
        await app.store.record("one", all_kinds(now))
        app.health.swept("one", Failure(Reason.UNAUTHORISED, "HTTP 401"), now)
        app.health.swept("two", None, now)
        found = await get(app)
    assert found["object"] == "overview"
    assert abs(parse_iso(found["at"]) - now) < 60_000
    models = {each["model"]: (each["running"], each["queued"]) for each in found["active"]["models"]}
    assert (models["small"], models[HOSTILE][1]) == ((2, 0), 1)
    assert found["active"]["total"] == found["active"]["read"] == sum(map(sum, models.values()))
    waits = [each["waiting_since"] for each in found["active"]["models"] if each["waiting_since"]]
    assert len(waits) > 1
    assert found["slowest_queue"]["waiting_since"] == min(waits)
    assert len(found["hours"]) == 24
    assert (found["hours"][-1]["succeeded"] + found["hours"][-2]["succeeded"], found["slowest_queue"]["queued"] > 0) == (
        1,
        True,
    )
    assert sum(hour["partial"] for hour in found["hours"]) == 1
    concerns = {each["kind"]: each for each in found["attention"]}
    assert concerns["accounts_failing"]["names"] == ["one"]
    assert concerns["jobs_at_risk"]["jobs"] == [{"account": "one", "id": "risky"}]
    assert [each["severity"] for each in found["attention"]] == sorted(each["severity"] for each in found["attention"])


async def test_page_shows_it_as_pictures_with_words(tmp_path, monkeypatch):
    """Each chart has its text; what a job is called is escaped; a filtered list stands alone, and so does an empty log."""
    monkeypatch.setattr(overview_cache, "REST", 0.0)
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ("one", "two"):
            app.health.swept(account, None, app.daemon.now())
        assert await section_of(app) == ""
        await app.store.record("one", all_kinds(app.daemon.now()))
        html, filtered = await section_of(app), await section_of(app, "/?active=true")
        pages = [(await app.get(unescape(href))).status_code for href in re.findall('href="([^"]*)"', html) if href != "#"]
    text = words(html)
    assert filtered == ""
    assert HOSTILE not in html
    assert HOSTILE in text
    for part in ("small 2 2 running", "2 ended 1 with failures", "2h", "1 job is at risk"):
        assert part in text.replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert re.search(r'role="img" aria-labelledby="ends-title ends-text".*?<desc id="ends-text">2 jobs ended', html, re.DOTALL)
    assert html.count("<g><title>") == 24
    assert " style=" not in html
    assert set(pages) == {200}


async def test_many_who_ask_cost_one_reading(tmp_path, monkeypatch):
    """Requests at the same time share one reading; one that may be old is made again once the log grows, or trouble begins."""
    monkeypatch.setattr(overview_cache, "REST", 0.0)
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", all_kinds(app.daemon.now()))
        found, readings, at = [], [], app.daemon.now()
        monkeypatch.setattr(app.daemon, "now", lambda: readings.append(1) or at)

        async def ask():
            found.append(await get(app))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(ask)
        assert (len(readings), len({json.dumps(each) for each in found})) == (1, 1)
        app.health.swept("one", Failure(Reason.SERVER, "HTTP 500"), at)
        assert "accounts_failing" in {each["kind"] for each in (await get(app))["attention"]}
        await app.store.record("one", [seen("new", account="one", status=RUNNING, model="large")])
        assert (await get(app))["active"]["total"] == found[0]["active"]["total"] + 1


async def test_overview_that_is_fresh_is_not_read_again(tmp_path, monkeypatch):
    """However fast the log grows, one overview is shown for many times as long as it took to read."""
    monkeypatch.setattr(overview_cache, "REST", 1e9)
    async with served_application(tmp_path / "tracker.db") as app:
        first = await get(app)
        await app.store.record("one", all_kinds(app.daemon.now()))
        assert await get(app) == first

"""What the pages say of jobs, as HTML: titles, reasons and the order, over a real database."""

import re
from html import unescape

import pytest
from job_changes import SINCE, seen
from msgspec.structs import replace
from web_application import served_application

from tracker.core.events.event_type_table import ACCOUNT_TYPES, RECEIVER_TYPES, REPLICA_TYPES
from tracker.core.events.sample import sample_event
from tracker.web.pages import jobs

ERRORS = [{"message": "rate limited", "count": 12}, {"message": "too long", "count": 3}]
COUNTERS = {"total_requests": 20, "completed_requests": 20, "succeeded_requests": 5, "failed_requests": 15}
UUID = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"
CREATED = SINCE // 1000


async def shown(app, url):
    """The page's text in one line, without its head and its frame."""
    answer = await app.get(url, headers={"accept": "text/html"})
    assert answer.status_code == 200
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


def in_turn(text, *parts):
    """Whether the parts stand in the text, one after the other."""
    return re.search(".*".join(map(re.escape, parts)), text) is not None


def ended(id_, status="SUCCESS", *, ended_at, **properties):
    return seen(id_, account="one", status=status, completed_at=CREATED + ended_at, **properties)


async def test_why_a_job_failed_stands_first(tmp_path):
    """On its page above all figures and in its row, as sentences with counts; the title is what people called it."""
    about = {"errors": ERRORS, "metadata": {"task": "nightly", "team": "research"}, "model": "mistral-small"}
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", [ended(UUID, "FAILED", ended_at=60, **COUNTERS, **about)])
        page, listed, log = [await shown(app, url) for url in (f"/jobs/{UUID}", "/", "/events")]
    assert in_turn(
        page, "nightly · research", UUID, "Why it failed", "12 requests: rate limited", "3 requests: too long", "Took"
    )
    assert '"message"' not in page.partition("The job as JSON")[0]
    row = ("nightly · research", UUID[:8], "mistral-small", "failed", "12 requests: rate limited; 3 requests: too long")
    assert in_turn(listed, *row)
    assert UUID not in listed
    assert in_turn(log, "nightly · research", UUID[:8], "Batch failed", "12 requests: rate limited")


async def test_what_the_api_does_not_say_is_reported(tmp_path):
    """A failed job without errors names its error file; one that went well has no such section, and no failures."""
    async with served_application(tmp_path / "tracker.db") as app:
        well = COUNTERS | {"succeeded_requests": 20, "failed_requests": 0}
        all_ = [ended("bad", "FAILED", ended_at=60, error_file="file-7"), ended("good", ended_at=60, **well)]
        all_ += [ended("partial", ended_at=60, **COUNTERS, errors=ERRORS), seen("runs", account="one", status="RUNNING")]
        await app.store.record("one", all_)
        bad, good, partial, runs = [await shown(app, f"/jobs/{each}") for each in ("bad", "good", "partial", "runs")]
    assert "Why it failed The API gives no reason. The error file file-7 may have it." in bad
    assert "Why requests failed 12 requests: rate limited" in partial
    assert "The API gives no reason" not in good + runs
    assert "Failed 0 Rate" in runs
    assert "Failed 0" not in good + bad


async def test_the_log_shows_events_that_are_about_no_job(tmp_path):
    """Each event of an account, a receiver or a replica names it, and has a sentence."""
    about = dict.fromkeys(ACCOUNT_TYPES, "one") | dict.fromkeys((*RECEIVER_TYPES, *REPLICA_TYPES), "test")
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.append([sample_event(type_, "one", SINCE, type_) for type_ in about])
        log = await shown(app, "/events")
    for type_, name in about.items():
        assert in_turn(log, f"{type_} {name} {type_.partition('.')[0].capitalize()} {name}")


@pytest.mark.parametrize("size", [7, 10, 50])
async def test_jobs_stand_in_the_order_in_which_people_look_for_them(tmp_path, monkeypatch, size):
    """What runs comes before what waits, however new that is, on pages of any size; what has ended is sorted by its end."""
    monkeypatch.setattr(jobs, "PAGE_SIZE", size)
    waits = [seen(f"waits-{number:02}", account="one", created_at=CREATED + 100 + number) for number in range(20)]
    runs = [seen(f"runs-{number:02}", account="one", status="RUNNING", created_at=CREATED + number) for number in range(10)]
    over = [ended("long", ended_at=500, created_at=CREATED), ended("short", ended_at=200, created_at=CREATED + 150)]
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", waits + runs + over)
        first = ids((await app.get("/")).text)
        found, url = [], "/?active=true"
        while url:
            html = (await app.get(url)).text
            assert len(ids(html)) <= size
            found += ids(html)
            url = unescape(more[1]) if (more := re.search('href="([^"]*)" rel="next"', html)) else None
    newest = [f"{kind}-{number:02}" for kind, count in (("runs", 10), ("waits", 20)) for number in reversed(range(count))]
    assert first == [*newest[:15], "long", "short"]
    assert found == newest


def ids(html):
    return re.findall('<tr data-key="one ([^"]*)"', html)


def of_vendor(id_, provider, status="RUNNING", **properties):
    extra = {"provider": provider, "native": {"processing_status": "<b>in_progress</b>"}, "expires_at": CREATED + 7200}
    return seen(id_, account="two", status=status, extra=extra, **properties)


def with_vendors(app, one="mistral", two="anthropic"):
    """Have the accounts of `app` watch these vendors' batches."""
    accounts = [replace(each, provider=name) for each, name in zip(app.daemon.config.accounts, (one, two), strict=True)]
    app.supervisor.config = replace(app.daemon.config, accounts=tuple(accounts))


async def test_vendor_is_shown_where_there_are_several(tmp_path):
    """A job's row and page name its vendor once the accounts are of several, and the jobs of one can be listed alone."""
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", [seen("mine", account="one")])
        await app.store.record("two", [of_vendor("theirs", "anthropic")])
        assert "Vendor" not in await shown(app, "/") + await shown(app, "/events")
        with_vendors(app)
        listed, theirs, page, events = [
            await shown(app, url) for url in ("/", "/?provider=anthropic", "/jobs/theirs", "/events?provider=mistral")
        ]
        accounts = await shown(app, "/accounts")
        api = [each["provider"] for each in (await app.get("/api/accounts")).json()["data"]]
    assert in_turn(listed, "2 known", "every vendor", "Mistral", "Anthropic", "theirs", "Anthropic", "mine", "Mistral")
    assert in_turn(theirs, "1 known", "All 1", "theirs")
    assert "mine" not in theirs
    assert in_turn(page, "theirs", "running", "Anthropic", "provider anthropic", "as Anthropic describes it")
    assert "mine" in events
    assert "theirs" not in events
    assert in_turn(accounts, "one", "Mistral", "two", "Anthropic")
    assert api == ["mistral", "anthropic"]


async def test_counters_that_are_unknown_before_the_end_are_no_progress(tmp_path):
    """A vendor that counts only at the end has no bar of 0 % and no zeros until then; its own object is shown as text."""
    async with served_application(tmp_path / "tracker.db") as app:
        with_vendors(app)
        jobs = [of_vendor("runs", "anthropic", total_requests=40), of_vendor("counts", "openai", total_requests=40)]
        await app.store.record("two", [*jobs, of_vendor("over", "anthropic", "SUCCESS", **COUNTERS)])
        runs, counts, over = [await shown(app, f"/jobs/{each}") for each in ("runs", "counts", "over")]
        html = (await app.get("/jobs/runs", headers={"accept": "text/html"})).text
    assert in_turn(
        runs, "40 requests, counted at the end", "Succeeded \N{EN DASH} of 40", "Failed \N{EN DASH}", "not known before the end"
    )
    assert "Anthropic counts the requests of a job only at its end." in runs
    assert "0 %" not in runs
    assert "progressbar" not in html
    assert "&lt;b&gt;in_progress" in html
    assert in_turn(counts, "0 of 40", "0 %", "too early to say", "A line appears once its counters change")
    assert in_turn(over, "20 of 20", "15 failed", "100 %")


async def test_deadline_is_the_vendors(tmp_path):
    """The deadline that a job is shown with is the one that its vendor states."""
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("two", [of_vendor("runs", "anthropic")])
        assert (await app.get("/api/jobs/runs")).json()["deadline_at"] == CREATED + 7200
        page = await shown(app, "/jobs/runs")
    assert in_turn(page, "Deadline", "overdue", "Queued for")

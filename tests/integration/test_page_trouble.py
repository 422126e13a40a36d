"""What is in trouble with deliveries stands in the header and in banners of every page, as an account in trouble does."""

import re

import pytest
from job_changes import SINCE, seen
from msgspec.structs import replace
from web_application import ACCOUNTS, served_application

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.store.opening import open_store

FAILING = Circuit(failures=FAILURES_TO_OPEN, since=SINCE, reason="server", detail="HTTP 500")
DISABLED = Circuit(failures=1, since=SINCE, reason="gone", detail="HTTP 410", disabled=True)


async def shown(app, path="/"):
    """The pill of the header, and the banners, of a page."""
    page = (await app.get(path, headers={"accept": "text/html"})).text
    pill = re.search(r'<span id="overall" class="chip (\w+)">.*?<span>([^<]*)</span>', page, re.DOTALL).groups()
    return pill, re.findall(r'<div class="banner (\w+)" data-key="problem \d+">.*?<p>([^<]*)</p>', page, re.DOTALL)


async def lose_one(store):
    """A delivery to `team` that was given up."""
    await store.record("one", [seen("x", account="one", now=SINCE)])
    (delivery,) = await store.outbox.claim("team", SINCE + 1000, 900.0, 9, ())
    outcome = Outcome(result=Result.REFUSED, status=403, detail="HTTP 403")
    await store.outbox.settle("team", [settle(delivery, outcome, (), (SINCE, SINCE + 5), 0.5)], Circuit())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("circuit", "banners"),
    [
        (Circuit(failures=FAILURES_TO_OPEN - 1, reason="server"), []),
        (FAILING, [("bad", "Receiver team keeps failing (server): HTTP 500")]),
        (
            DISABLED,
            [
                (
                    "bad",
                    (
                        "Receiver team is disabled, as it wants no further deliveries: HTTP 410."
                        " It gets nothing until it is enabled"
                    ),
                )
            ],
        ),
    ],
    ids=["a few failures", "failing", "disabled"],
)
@pytest.mark.parametrize("path", ["/", "/events", "/receivers/team"])
async def test_receiver_in_trouble(tmp_path, circuit, banners, path):
    """A receiver that keeps failing or is disabled turns the pill and has a banner on every page; a few failures do not."""
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ACCOUNTS:
            app.health.swept(account, None, SINCE)
        assert await shown(app, path) == (("ok", "ready"), [])
        await app.store.outbox.settle("team", [], circuit)
        assert await shown(app, path) == (("warn", "in trouble") if banners else ("ok", "ready"), banners)


@pytest.mark.parametrize("path", ["/receivers", "/receivers/team"])
async def test_next_attempt_is_never_in_the_past(tmp_path, path):
    """An attempt that is due is "overdue by" some time on both pages, and its time is marked for the script of the page."""
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.outbox.settle("team", [], replace(FAILING, quiet_until=SINCE))
        page = (await app.get(path, headers={"accept": "text/html"})).text
    (attempt,) = re.findall(r"next attempt (<time.*?</time>)", page, re.DOTALL)
    assert "data-coming" in attempt
    assert re.search(r">overdue by \d+d", attempt)
    assert " ago" not in attempt


async def test_zero_counts_are_reported_once(tmp_path):
    """A receiver with nothing pending and nothing dead shows two zeros, without a sentence that repeats them."""
    async with served_application(tmp_path / "tracker.db") as app:
        page = (await app.get("/receivers", headers={"accept": "text/html"})).text
    assert re.search(r"<dt>Waiting</dt><dd>0</dd>", page)
    assert re.search(r"<dt>Dead letters</dt><dd>0</dd>", page)


async def test_dead_delivery(tmp_path):
    """A dead delivery turns the pill and has a banner until it is dropped; its receiver's page shows the error and the host."""
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ACCOUNTS:
            app.health.swept(account, None, SINCE)
        await lose_one(app.store)
        said = "1 delivery was given up for receiver team: deliver again or drop what is dead"
        assert await shown(app) == (("warn", "in trouble"), [("warn", said)])
        page = (await app.get("/receivers/team")).text
        assert "webhook to hook.invalid<" in page
        assert "<b>refused</b>: HTTP 403" in page
        assert "canary" not in page
        await app.store.drop_deliveries("team", dead=True)
        assert await shown(app) == (("ok", "ready"), [])


async def test_what_a_changed_configuration_left_behind(tmp_path):
    """Deliveries of a former receiver are said on every page, active jobs of a former account where jobs are shown."""
    async with open_store(tmp_path / "tracker.db", [Subscription(receiver="former", events=("*",))]) as store:
        await store.record("old", [seen("runs", account="old", now=SINCE)])
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ACCOUNTS:
            app.health.swept(account, None, SINCE)
        pill, banners = await shown(app)
        assert pill == ("warn", "in trouble")
        assert [text[:48] for _, text in banners] == [
            "Receiver former is not in the configuration, and",
            "Account old is not in the configuration, and 1 j",
        ]
        assert len((await shown(app, "/accounts"))[1]) == 2
        assert len((await shown(app, "/events"))[1]) == 1


async def test_many_problems_leave_room_for_the_jobs(tmp_path):
    """Of more than four banners three are shown and the others are folded, so that what the page is about stays in sight."""
    async with served_application(tmp_path / "tracker.db") as app:
        for account in ACCOUNTS:
            app.health.swept(account, Failure(Reason.UNAUTHORISED, "HTTP 401"), SINCE)
        await lose_one(app.store)
        await app.store.outbox.settle("pipeline", [], FAILING)
        assert "more-problems" not in (await app.get("/")).text
        await app.store.outbox.settle("team", [], FAILING)
        page = (await app.get("/")).text
        unfolded, folded = page.split('<details class="more-problems"')
        assert (unfolded.count('class="banner '), folded.count('class="banner ')) == (3, 2)
        assert "<summary>2 more problems</summary>" in folded
        assert len((await shown(app))[1]) == 5

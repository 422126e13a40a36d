"""The routes that read: what they show of a real database, page by page, and what of the daemon's memory."""

import json

import pytest
from job_changes import SINCE, moved, seen
from web_application import fill, served_application

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.forecast.eta import Sample
from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_store
from tracker.web.static_files import Static


@pytest.fixture(scope="module")
async def app(tmp_path_factory):
    async with served_application(tmp_path_factory.mktemp("reads") / "tracker.db") as app:
        await fill(app.store)
        yield app


async def whole(app, url, **asked):
    """Every page of a list, one after the other."""
    found, after = [], {}
    while True:
        page = (await app.get(url, params=asked | after)).json()
        assert [*page] == ["object", "data", "next"]
        assert len(page["data"]) <= asked["limit"]
        found += page["data"]
        if page["next"] is None:
            return found
        after = {"before" if "before" in asked else "after": page["next"]}


async def test_jobs_in_pages(app):
    """Page by page every job comes once, the newest first, as it is alone; filters leave out the others."""
    jobs = await whole(app, "/api/jobs", limit=7)
    assert len(jobs) == 30
    assert [job["created_at"] for job in jobs] == sorted((job["created_at"] for job in jobs), reverse=True)
    assert len({(job["account"], job["id"]) for job in jobs}) == 30
    for asked, wanted in (
        ({"account": "one"}, lambda job: job["account"] == "one"),
        ({"status": ["SUCCESS", "QUEUED"]}, lambda job: job["status"] in ("SUCCESS", "QUEUED")),
        ({"active": "true"}, lambda job: job["status"] != "SUCCESS"),
        ({"model": "<script>*"}, lambda job: (job["model"] or "").startswith("<script>")),
        ({"job": "id-1"}, lambda job: job["id"].startswith("id-1")),
        ({"created_after": SINCE // 1000 + 3}, lambda job: job["created_at"] > SINCE // 1000 + 3),
        ({"endpoint": "/v1/ocr"}, lambda _: False),
    ):
        assert await whole(app, "/api/jobs", limit=4, **asked) == list(filter(wanted, jobs))
    by_end = await whole(app, "/api/jobs", limit=4, order="ended")
    assert {job["id"] for job in by_end} == {job["id"] for job in await whole(app, "/api/jobs", limit=500, active="false")}
    assert [job["observed_at"] for job in by_end] == sorted((job["observed_at"] for job in by_end), reverse=True)
    alone = [(await app.get(f"/api/jobs/{job['id']}", params={"account": job["account"]})).json() for job in jobs[:5]]
    assert alone == jobs[:5]


async def test_what_will_become_of_a_job(app):
    """A running job has its deadline, rate and ETA from what was seen of it; one that ended an outcome and none of these."""
    jobs = await whole(app, "/api/jobs", limit=500)
    running = next(job for job in jobs if job["status"] == "RUNNING" and job["metadata"]["timeout_hours"])
    assert running["deadline_at"] == running["created_at"] + running["metadata"]["timeout_hours"] * 3600
    assert (running["rate"], running["eta"], running["outcome"]) == (None, None, None)
    app.supervisor.known = {running["account"]: {running["id"]: tuple(Sample(SINCE + 60_000 * n, n) for n in range(4))}}
    again = (await app.get(f"/api/jobs/{running['id']}")).json()
    assert (again["rate"], again["eta"]) == (1 / 60, "2025-06-15T15:10:40.000Z")
    ended = [job for job in jobs if job["status"] == "SUCCESS"]
    assert {job["outcome"] for job in ended} == {"success", "partial", "all_failed"}
    assert {(job["deadline_at"], job["rate"], job["eta"]) for job in ended} == {(None, None, None)}


async def test_one_job(app):
    """An unknown id is 404; one that two accounts have is 409, and names them."""
    twice = [job["id"] for job in await whole(app, "/api/jobs", limit=500) if job["id"].startswith("job-")]
    assert len(twice) == len({*twice}), "the ids of this world are single"
    answer = await app.get("/api/jobs/job-0/x")
    assert (answer.status_code, answer.json()["detail"]) == (404, "no job 'job-0/x' is known")


async def test_one_job_of_two_accounts(tmp_path):
    """An id that two accounts have is 409 until one is named."""
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", [seen("x/y", account="one")])
        await app.store.record("two", [seen("x/y", account="two")])
        answer = await app.get("/api/jobs/x%2Fy")
        assert (answer.status_code, answer.json()["detail"]) == (
            409,
            "several accounts have a job 'x/y', expected `account`, one of one, two",
        )
        assert (await app.get("/api/jobs/x%2Fy?account=two")).json()["account"] == "two"
        assert (await app.get("/api/jobs/x%2Fy?account=three")).status_code == 404


async def test_jobs_and_events_of_a_vendor(tmp_path):
    """A vendor's jobs, and the events of them, are listed alone; an unknown vendor is a mistake, with a hint."""
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record(
            "one", [seen("mine", account="one"), seen("theirs", account="one", extra={"provider": "gemini"})]
        )
        for provider, id_ in (("mistral", "mine"), ("gemini", "theirs")):
            (job,) = (await app.get("/api/jobs", params={"provider": provider})).json()["data"]
            assert (job["id"], job["provider"]) == (id_, provider)
            (event,) = (await app.get("/api/events", params={"provider": provider})).json()["data"]
            assert event["data"]["id"] == id_
        for path in ("/api/jobs", "/api/events", "/api/stream"):
            answer = await app.get(path, params={"provider": "gemin"})
            assert (answer.status_code, answer.json()["detail"]) == (
                422,
                "provider: found 'gemin', expected the name of a vendor; did you mean 'gemini'?",
            )


async def test_events_in_pages(app):
    """The log comes whole and as it was written, forwards and backwards, and filtered as asked."""
    log = await whole(app, "/api/events", limit=9)
    assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
    assert await whole(app, "/api/events", limit=9, before=2**60) == log[::-1]
    assert await whole(app, "/api/events", limit=9, before=20, after=5) == log[5:19][::-1]
    async with app.reader() as reader:
        assert [json.dumps(event) for event in log] == [
            json.dumps(json.loads(body)) for _, body in await reader.events(0, EventFilter())
        ]
    for asked, wanted in (
        ({"type": ["*.created", "batch.st*"]}, lambda event: event["type"] != "batch.completed"),
        ({"job": "id-4"}, lambda event: event["data"]["id"] == "id-4"),
        (
            {"status": "SUCCESS", "account": "two"},
            lambda event: event["account"] == "two" and event["data"]["status"] == "SUCCESS",
        ),
        ({"model": "mistral-*"}, lambda event: (event["data"]["model"] or "").startswith("mistral-")),
        ({"since": "2025-06-15T17:06:45+02:00"}, lambda event: event["observed_at"] >= "2025-06-15T15:06:45.000Z"),
        ({"until": "2025-06-15T15:06:45.001Z"}, lambda event: event["observed_at"] < "2025-06-15T15:06:45.001Z"),
    ):
        assert await whole(app, "/api/events", limit=5, **asked) == list(filter(wanted, log))


async def test_deliveries_in_pages(app):
    """Deliveries come with every attempt, in the log's order or against it, by receiver, state and job."""
    found = await whole(app, "/api/deliveries", limit=7)
    assert len(found) == 2 * len(await whole(app, "/api/events", limit=100))
    assert await whole(app, "/api/deliveries", limit=7, order="desc") == found[::-1]
    dead = await whole(app, "/api/deliveries", limit=3, state=["dead", "delivered"], receiver="pipeline")
    assert sorted(each["state"] for each in dead) == ["dead"] * 8 + ["delivered"] * 8
    assert dead[0]["attempts"] == [
        {
            "number": 1,
            "began_at": "2025-06-15T15:06:40.000Z",
            "ended_at": "2025-06-15T15:06:40.000Z",
            "result": "delivered",
            "status": 200,
            "detail": "as it \0 was",
            "answer": "",
        }
    ]
    assert {each["job"] for each in await whole(app, "/api/deliveries", limit=3, job="id-4")} == {"id-4"}


async def test_accounts_and_receivers(app):
    """Each account and receiver of the configuration is shown, with what the loops and the log know of it."""
    app.health.swept("two", Failure(Reason.UNAUTHORISED, "HTTP 401"), SINCE)
    one, two = (await app.get("/api/accounts")).json()["data"]
    assert (one["name"], one["up"], one["jobs"]) == ("one", None, {"QUEUED": 5, "RUNNING": 5, "SUCCESS": 5})
    assert (two["up"], two["reason"], two["detail"]) == (False, "unauthorised", "HTTP 401")
    assert two["failing_since"] == "2025-06-15T15:06:40.000Z"
    app.health.swept("two", None, SINCE + 1000)
    two = (await app.get("/api/accounts")).json()["data"][1]
    assert (two["up"], two["failing_since"], two["last_good_sweep"]) == (True, None, "2025-06-15T15:06:41.000Z")
    pipeline, team = (await app.get("/api/receivers")).json()["data"]
    assert (pipeline["name"], pipeline["kind"], pipeline["state"], pipeline["dead"]) == ("pipeline", "webhook", "ok", 8)
    assert (team["pending"], team["dead"], team["reason"]) == (pipeline["pending"] + 16, 0, None)
    assert team["oldest_pending_at"] == "2025-06-15T15:06:40.000Z"
    assert (pipeline["host"], pipeline["last_error"]["result"], team["last_error"]["result"]) == (
        *("hook.invalid", "refused", "server"),
    )
    assert team["last_error"]["at"] == "2025-06-15T15:06:40.000Z"
    assert "canary" not in json.dumps([pipeline, team, one, two])


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("/api/jobs?limit=0", "limit: found '0', expected `int` >= 1"),
        ("/api/jobs?limit=501", "limit: found '501', expected `int` <= 500"),
        ("/api/jobs?limit=ten", "limit: found 'ten', expected `int`, got `str`"),
        ("/api/jobs?limit=1&limit=2", "limit: found it twice, expected it once"),
        ("/api/jobs?active=yes", "active: found 'yes', expected one of false, true"),
        ("/api/jobs?limt=5", "limt: unknown parameter, expected one of account, provider, status,"),
        ("/api/jobs?after=nonsense", "after: found 'nonsense', expected `str` matching regex"),
        ("/api/jobs?created_after=-1", "created_after: found '-1', expected `int` >= 0"),
        ("/api/jobs?account=%ff", "the query: expected UTF-8, percent-encoded"),
        ("/api/jobs?model=" + "*" * 257, "model: found '"),
        ("/api/events?since=yesterday", "since: found 'yesterday', expected a time with its offset"),
        ("/api/events?until=2025-06-25T14:20:10", "until: found '2025-06-25T14:20:10', expected a time with its offset"),
        ("/api/events?after=9223372036854775808", "after: found '9223372036854775808', expected `int` <= 9223372036854775807"),
        ("/api/deliveries?state=dying", "state: found 'dying', expected one of dead, delivered, pending, silenced, superseded"),
        (
            "/api/events?type=batch.complete",
            "type: found 'batch.complete', which matches no event type; did you mean 'batch.com",
        ),
        ("/api/stream?type=job.*", "type: found 'job.*', which matches no event type; there are: batch.created, "),
        ("/api/events?status=FAILD", "status: found 'FAILD', which is no status of a job; did you mean 'FAILED'?"),
        ("/api/jobs?status=RUNNING&status=bogus", "status: found 'bogus', which is no status of a job; there are: QUEUED, "),
        ("/api/jobs?account=ones", "account: found 'ones', expected the name of an account; did you mean 'one'?"),
        ("/api/stream?account=three", "account: found 'three', expected the name of an account; there are: one, two"),
        ("/api/deliveries?receiver=teams", "receiver: found 'teams', expected the name of a receiver; did you mean 'team'?"),
        ("/api/deliveries?order=up", "order: found 'up', expected one of asc, desc"),
    ],
)
async def test_what_cannot_be_asked(app, url, detail):
    """A parameter that is unknown, repeated, or out of bounds is named, with what was found and what was expected."""
    answer = await app.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("/api/deliveries?state=dead&state=pendin", "pending"),
        ("/api/jobs?order=endet", "ended"),
        ("/api/jobs?active=True", "true"),
        ("/api/events?typ=batch.*", "type"),
    ],
    ids=["one of several", "a choice", "in capitals", "a parameter"],
)
async def test_what_is_nearly_right_is_answered_with_what_was_meant(app, url, meant):
    """A choice or a parameter that is misspelled names the one that is closest, and those that there are."""
    answer = await app.get(url)
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    assert ", expected one of " in detail
    assert detail.endswith(f"; did you mean {meant!r}?")


async def test_names_that_only_the_log_has(tmp_path):
    """A status that the schema lacks, and an account and a receiver of before, are asked for as they are in the log."""
    former = Subscription(receiver="former", events=("*",))
    async with open_store(tmp_path / "tracker.db", [former]) as store:
        await store.record("old", [seen("x", account="old", status="Paused")])
    async with served_application(tmp_path / "tracker.db") as app:
        for url in ("/api/jobs?status=Paused", "/api/jobs?status=PAUSED&account=old", "/api/jobs?account=old"):
            assert [job["id"] for job in (await app.get(url)).json()["data"]] == ["x"]
        for url in ("/api/events?status=paused", "/api/events?account=old", "/api/deliveries?receiver=former"):
            assert len((await app.get(url)).json()["data"]) == 2, url
        await app.store.record("old", [moved(seen("x", account="old", status="Paused"), now=SINCE + 1, status="RUNNING")])
        assert len((await app.get("/api/events?status=paused")).json()["data"]) == 2
        assert (await app.get("/api/jobs?status=running")).json()["data"][0]["id"] == "x"


async def test_static_files(app):
    """Each file of the package has an address that changes with it, kept for long there and looked after elsewhere."""
    static = Static()
    for name in static._files:
        answer = await app.get(static.path(name))
        assert (answer.status_code, answer.content) == (200, static._files[name].content)
        assert "immutable" in answer.headers["cache-control"]
        again = await app.get(f"/static/{name}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")
    assert (await app.get("/static/__init__.py")).status_code == 404
    with pytest.raises(KeyError):
        static.path("nothing.css")


async def test_a_cursor_beyond_the_log_is_reported(path):
    """After a restore the log may end before a consumer's place: that is 409 with the log's end, not an empty page."""
    async with served_application(path) as app:
        await fill(app.store)
        end = len((await app.get("/api/events", params={"limit": 1000})).json()["data"])
        for asked in ({"after": end + 1}, {"after": 10**15, "type": "batch.failed"}, {"after": end + 1, "before": end + 9}):
            answer = await app.get("/api/events", params=asked)
            assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
            assert (answer.json()["status"], answer.json()["last_seq"]) == (409, end)
        assert (await app.get("/api/events", params={"after": end})).json() == {"object": "list", "data": [], "next": None}


@pytest.mark.parametrize("place", ["after", "before", "around"])
async def test_the_page_of_a_place_beyond_the_log_is_its_end(path, place):
    """A bookmark of a log that was longer shows the newest events, and follows from the end that there is."""
    async with served_application(path) as app:
        await fill(app.store)
        end = len((await app.get("/api/events", params={"limit": 1000})).json()["data"])
        page = (await app.get("/events", params={place: end + 100})).text
        assert f'data-after="{end}"' in page
        assert f'data-key="{end}"' in page

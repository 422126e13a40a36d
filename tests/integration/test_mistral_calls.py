"""Mistral's API as it is called: the requests to the byte, and the jobs that come of the answers."""

import json

import msgspec
import pytest
from loopback import answer, head_of, loopback, sends
from vendor_clients import mistral

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import ListQuery
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter

KEY = "canary-key"
NOW = 1_750_861_214_312
ID = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"
JOB = {
    "id": ID,
    "object": "batch",
    "input_files": [],
    "endpoint": "/v1/chat/completions",
    "status": "RUNNING",
    "created_at": 1_750_850_000,
    "total_requests": 10,
    "completed_requests": 4,
    "succeeded_requests": 3,
    "failed_requests": 1,
}


@pytest.fixture
async def api(tls):
    """An API at a URL: `api(url)`; `api.answered` is what was reported of its requests."""
    async with http_client(tls) as http:
        answered = []

        def api(url):
            report = lambda call, code, seconds: answered.append((call, code, 0 < seconds < 60))  # noqa: E731
            return mistral(http, url, KEY, rate_limiter=RateLimiter(1000), deadline=5.0, now=lambda: NOW, on_response=report)

        api.answered = answered
        yield api


def json_answer(value, *headers):
    """An answer with `value` as its JSON."""
    return sends(answer(json.dumps(value).encode(), 200, "content-type: application/json", *headers))


EMPTY = json_answer({"object": "list", "data": [], "total": 0})


@pytest.mark.parametrize(
    ("query", "token", "line"),
    [
        (ListQuery(), None, "page=0&page_size=100&order_by=created"),
        (ListQuery(), "7", "page=7&page_size=100&order_by=created"),
        (
            ListQuery(created_after=1_750_861_210),
            None,
            "page=0&page_size=100&order_by=created&created_after=2025-06-25T14%3A20%3A10.000Z",
        ),
        (
            ListQuery(statuses=("QUEUED", "RUNNING", "CANCELLATION_REQUESTED")),
            "1",
            "page=1&page_size=100&order_by=created&status=QUEUED&status=RUNNING&status=CANCELLATION_REQUESTED",
        ),
        (
            ListQuery(statuses=("FAILED",), created_after=0),
            None,
            "page=0&page_size=100&order_by=created&created_after=1970-01-01T00%3A00%3A00.000Z&status=FAILED",
        ),
    ],
)
async def test_list_is_asked_for_in_this_form(api, query, token, line):
    """Pages count from 0, oldest creation first, a status is a parameter of its own, a moment is ISO 8601."""
    async with loopback(EMPTY) as server:
        page = await api(server.url).list_jobs(query, token, 100)
        assert msgspec.structs.replace(page, kept=None) == Page((), (), 0)
    assert [head_of(request)[0] for request in server.requests] == [f"GET /v1/batch/jobs?{line} HTTP/1.1"]


@pytest.mark.parametrize("slash", ["", "/", "//"])
async def test_headers_are_these_and_no_others(api, slash):
    """The key is the bearer, JSON is wanted and no compression; a slash at the end of the base URL makes no difference."""
    async with loopback(EMPTY) as server:
        await api(server.url + slash).list_jobs(ListQuery(), None, 100)
    line, headers = head_of(server.requests[0])
    assert line.startswith("GET /v1/batch/jobs?")
    named = dict(headers)
    assert len(named) == len(headers), "none is repeated"
    assert named.pop("user-agent").startswith("batch-tracker/")
    assert named == {
        "authorization": f"Bearer {KEY}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "host": server.url.removeprefix("http://"),
    }
    assert server.requests[0].endswith(b"\r\n\r\n"), "no body"


async def test_base_url_may_have_a_path(api):
    """An API behind a gateway is asked below the gateway's path."""
    async with loopback(EMPTY, json_answer(JOB)) as server:
        await api(server.url + "/gateway/").list_jobs(ListQuery(), None, 100)
        await api(server.url + "/gateway/").get_job(ID)
    assert [head_of(request)[0].split("?")[0].split()[1] for request in server.requests] == [
        "/gateway/v1/batch/jobs",
        f"/gateway/v1/batch/jobs/{ID}",
    ]


@pytest.mark.parametrize(
    ("job_id", "segment"),
    [
        (ID, ID),
        ("a/../b", "a%2F%2E%2E%2Fb"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("a b?c#d", "a%20b%3Fc%23d"),
        ("%2e", "%252e"),
        ("a\r\nb", "a%0D%0Ab"),
        ("é", "%C3%A9"),
    ],
)
async def test_job_is_asked_for_by_one_segment(api, job_id, segment):
    """Whatever an ID is made of, it is one segment of the path: no other path is asked, and the answer is that job."""
    async with loopback(json_answer(JOB | {"id": job_id})) as server:
        got = await api(server.url).get_job(job_id)
    assert [head_of(request)[0] for request in server.requests] == [f"GET /v1/batch/jobs/{segment} HTTP/1.1"]
    assert got.id == job_id


async def test_page_is_read(api):
    """Jobs, what is no job, and the total arrive as a page."""
    async with loopback(json_answer({"object": "list", "data": [JOB, {"id": "torn"}], "total": 9})) as server:
        page = await api(server.url).list_jobs(ListQuery(), None, 100)
    assert [job.to_data()["completed_requests"] for job in page.jobs] == [4]
    assert [job.id for job in page.malformed] == ["torn"]
    assert page.total == 9


async def test_job_is_read(api):
    """A job got by its ID is a Job with the properties that came."""
    async with loopback(json_answer(JOB)) as server:
        got = await api(server.url).get_job(ID)
    assert isinstance(got, Job)
    assert got.to_data().items() >= JOB.items()


async def test_job_that_is_none_is_malformed(api):
    """An answer that lacks what a job cannot do without is a malformed job, with its ID."""
    async with loopback(json_answer({"id": ID})) as server:
        got = await api(server.url).get_job(ID)
    assert isinstance(got, MalformedJob)
    assert got.id == ID


@pytest.mark.parametrize("other", [JOB | {"id": "other"}, {"id": "other"}])
async def test_other_job_is_not_taken_for_the_one_asked_for(api, other):
    """An answer about another job, readable or not, is a failure that passes, not an observation."""
    async with loopback(json_answer(other)) as server:
        got = await api(server.url).get_job(ID)
    assert got == Failure(Reason.MALFORMED, f"requested job {ID}, received 'other'")


async def test_each_request_is_reported(api):
    """`answered` is called for every request, with its call and its code; `none` where there was no answer."""
    async with loopback(EMPTY, sends(answer(b"", 404)), sends(answer(b"", 503)), sends(b"", keeps=False)) as server:
        provider = api(server.url)
        await provider.list_jobs(ListQuery(), None, 100)
        await provider.get_job(ID)
        await provider.list_jobs(ListQuery(), None, 100)
        await provider.get_job(ID)
    assert api.answered == [("list", "200", True), ("get", "404", True), ("list", "503", True), ("get", "none", True)]

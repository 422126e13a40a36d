"""Anthropic's API as it is called: the requests, the pages that come of the answers, and the results of a batch."""

import json

import pytest
from loopback import answer, head_of, loopback, sends
from vendor_clients import requests_of

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.provider import ListQuery
from tracker.core.results.result_file import FileFacts
from tracker.providers.vendor_registry import VENDORS

KEY = "canary-key"
ID = "msgbatch_1"
RESULTS = f"{ID}/results"
LINES = b'{"custom_id":"0","result":{"type":"succeeded"}}\n' * 3


@pytest.fixture
async def requests(tls):
    """An account's requests to a URL: `requests(url)`."""
    async with requests_of("anthropic", tls, KEY) as given:
        yield given


@pytest.fixture
def api(requests):
    return lambda url: VENDORS["anthropic"].open_jobs(requests(url))


@pytest.fixture
def results(requests):
    return lambda url: VENDORS["anthropic"].open_files(requests(url))


def batch(id_=ID, **changes):
    counts = {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}
    return {
        "id": id_,
        "type": "message_batch",
        "processing_status": "ended",
        "request_counts": counts,
        "created_at": "2025-09-01T04:13:24.100435Z",
        "ended_at": "2025-09-01T05:00:00Z",
        "archived_at": None,
        "results_url": f"https://api.anthropic.com/v1/messages/batches/{id_}/results",
    } | changes


def json_answer(value, *headers):
    return sends(answer(json.dumps(value).encode(), 200, "content-type: application/json", *headers))


async def listed(api, content, *, token=None):
    async with loopback(json_answer(content, "date: Mon, 01 Sep 2025 04:13:24 GMT")) as server:
        page = await api(server.url).list_jobs(ListQuery(statuses=("RUNNING",), created_after=7), token, 3)
    return page, head_of(server.requests[0])


@pytest.mark.parametrize(("token", "line"), [(None, "limit=3"), ("msgbatch_7", "limit=3&after_id=msgbatch_7")])
async def test_list_is_asked_for_in_this_form(api, token, line):
    """The size and the ID to go on behind, no filters, the key, and the version of the API."""
    page, (request, headers) = await listed(api, {"data": [batch()], "has_more": False, "last_id": ID}, token=token)
    assert request == f"GET /v1/messages/batches?{line} HTTP/1.1"
    assert dict(headers).items() >= {"x-api-key": KEY, "anthropic-version": "2023-06-01"}.items()
    assert "authorization" not in dict(headers)
    assert (page.total, page.provider_time) == (None, 1756700004000)


@pytest.mark.parametrize(
    ("content", "token", "entries"),
    [
        ({"data": [batch()], "has_more": True, "last_id": "msgbatch_1"}, "msgbatch_1", 1),
        ({"data": [batch()], "has_more": False, "last_id": "msgbatch_1"}, None, 1),
        ({"data": [batch()], "has_more": True, "last_id": None}, None, 1),
        ({"data": [], "has_more": False, "last_id": None}, None, 0),
        ({"data": None, "has_more": False}, None, 0),
    ],
)
async def test_next_page(api, content, token, entries):
    """A page leads to the next one where the API says so."""
    page, _ = await listed(api, content)
    assert (page.next_token, len(page)) == (token, entries)


@pytest.mark.parametrize("content", [{}, [], "list", 7, None, {"error": "x"}, {"data": "x"}, {"data": [batch()] * 1001}])
async def test_what_is_no_list_is_a_failure(api, content):
    """Another shape is no empty list: nothing is known of the batches."""
    page, _ = await listed(api, content)
    assert isinstance(page, Failure)
    assert page.reason is Reason.MALFORMED


async def test_entry_that_is_no_batch_costs_only_itself(api):
    page, _ = await listed(api, {"data": [batch(), {"id": "msgbatch_2"}, 7], "has_more": False})
    assert [job.id for job in page.jobs] == [ID]
    assert [job.id for job in page.malformed] == ["msgbatch_2", None]


async def test_batch_is_asked_for_by_its_id(api):
    """An ID is one segment of the path, and the answer has to be that batch."""
    async with loopback(json_answer(batch("../b")), json_answer(batch()), json_answer([])) as server:
        got = [await api(server.url).get_job("../b") for _ in range(3)]
    assert head_of(server.requests[0])[0] == "GET /v1/messages/batches/%2E%2E%2Fb HTTP/1.1"
    assert got[0].id == "../b"
    assert [each.reason for each in got[1:]] == [Reason.MALFORMED] * 2


async def test_an_overloaded_api_is_asked_again(api):
    """Its status 529 is a server's."""
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    async with loopback(sends(answer(json.dumps(error).encode(), 529))) as server:
        failure = await api(server.url).get_job(ID)
    assert (failure.reason, failure.passing, failure.detail) == (Reason.SERVER, True, "HTTP 529: Overloaded")


async def read(results, *scenes):
    """The content of the results, or why there is none, and the paths of the requests."""
    async with loopback(*scenes) as server, results(server.url).open_content(RESULTS) as content:
        got = content if isinstance(content, Failure) else b"".join([part async for part in content])
    return got, [head_of(request)[0].split()[1] for request in server.requests]


@pytest.mark.parametrize("url", [batch()["results_url"], None])
async def test_results_are_read_below_the_base_url(results, url):
    """Wherever the batch says that they are: the key goes to the account's own API alone, which may be a proxy."""
    got, paths = await read(results, json_answer(batch(results_url=url)), sends(answer(LINES)))
    assert got == LINES
    assert paths == [f"/v1/messages/batches/{ID}", f"/v1/messages/batches/{ID}/results"]


async def test_results_of_the_base_url_are_expected(results):
    """The URL of the account's own API is a right one."""
    async with loopback(json_answer({}), sends(answer(LINES))) as server:
        url = f"{server.url}/v1/messages/batches/{ID}/results"
        server._scenes[0] = json_answer(batch(results_url=url))
        async with results(server.url).open_content(RESULTS) as content:
            assert b"".join([part async for part in content]) == LINES


@pytest.mark.parametrize(
    "url",
    [
        "https://results.example/v1/messages/batches/msgbatch_1/results",
        "https://api.anthropic.com/v1/messages/batches/msgbatch_2/results",
        "http://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
        "https://api.anthropic.com:8443/v1/messages/batches/msgbatch_1/results",
        "http://[",
        "nowhere",
        7,
    ],
)
async def test_results_elsewhere_are_refused(results, url):
    """Nothing is requested where another place is named: not there, and not here either."""
    got, paths = await read(results, json_answer(batch(results_url=url)))
    assert got.reason is Reason.MALFORMED
    assert "sent nowhere else" in got.detail
    assert paths == [f"/v1/messages/batches/{ID}"]


async def test_archived_results_are_gone(results):
    """They are not asked for, and the facts say that they were deleted."""
    archived = batch(archived_at="2025-09-30T04:13:24Z", results_url=None)
    got, paths = await read(results, json_answer(archived))
    assert (got.reason, len(paths)) == (Reason.NOT_FOUND, 1)
    async with loopback(json_answer(archived)) as server:
        assert (await results(server.url).file_facts(RESULTS)).deleted


async def test_facts(results):
    """A line for each request, and 29 days from the creation; nothing is known of their size."""
    async with loopback(json_answer(batch()), json_answer(batch(request_counts=None, created_at=None))) as server:
        facts = [await results(server.url).file_facts(RESULTS) for _ in range(2)]
    assert facts == [FileFacts(lines=3, expires_at=1756700004 + 29 * 86400), FileFacts()]


@pytest.mark.parametrize("answered", [batch("msgbatch_2"), {}, [], 7])
async def test_another_answer_is_a_failure(results, answered):
    """The batch has to be the one that was requested."""
    got, _ = await read(results, json_answer(answered))
    assert got.reason is Reason.MALFORMED


@pytest.mark.parametrize("file_id", ["", "/results", ID, "file-7"])
async def test_another_id_is_not_requested(results, file_id):
    async with loopback(json_answer(batch())) as server:
        facts = await results(server.url).file_facts(file_id)
        async with results(server.url).open_content(file_id) as content:
            assert (facts.reason, content.reason) == (Reason.NOT_FOUND, Reason.NOT_FOUND)
    assert server.requests == []

"""Gemini's API as it is called: the requests, the pages that come of the answers, and files of results."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from loopback import answer, head_of, loopback, sends
from vendor_clients import requests_of

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.provider import ListQuery
from tracker.core.results.result_file import FileFacts
from tracker.providers.vendor_registry import VENDORS

KEY = "canary-key"
NAME = "batches/1"
FILE = "files/batch-1"
LINES = b'{"key":"0","response":{}}\n' * 3


@pytest.fixture
async def requests(tls):
    """An account's requests to a URL: `requests(url)`."""
    async with requests_of("gemini", tls, KEY) as given:
        yield given


@pytest.fixture
def api(requests):
    return lambda url: VENDORS["gemini"].open_jobs(requests(url))


@pytest.fixture
def files(requests):
    return lambda url: VENDORS["gemini"].open_files(requests(url))


def operation(name=NAME):
    return {"name": name, "metadata": {"state": "BATCH_STATE_RUNNING", "createTime": "2025-09-01T04:13:24Z"}}


def json_answer(value, status=200):
    return sends(answer(json.dumps(value).encode(), status, "content-type: application/json"))


async def listed(api, content, *, token=None):
    async with loopback(json_answer(content)) as server:
        page = await api(server.url).list_jobs(ListQuery(statuses=("RUNNING",), created_after=7), token, 3)
    return page, head_of(server.requests[0])


@pytest.mark.parametrize(("token", "line"), [(None, "pageSize=3"), ("a+b/c=", "pageSize=3&pageToken=a%2Bb%2Fc%3D")])
async def test_list_is_asked_for_in_this_form(api, token, line):
    """The size and the token, whatever it is made of, and no filter, which the API refuses."""
    _, (request, headers) = await listed(api, {"operations": [operation()]}, token=token)
    assert request == f"GET /v1beta/batches?{line} HTTP/1.1"
    assert dict(headers)["x-goog-api-key"] == KEY
    assert "authorization" not in dict(headers)


@pytest.mark.parametrize(
    ("content", "token", "entries"),
    [
        ({"operations": [operation()], "nextPageToken": "t"}, "t", 1),
        ({"operations": [operation()], "nextPageToken": ""}, None, 1),
        ({"operations": [operation()]}, None, 1),
        ({"nextPageToken": "t"}, "t", 0),
        ({}, None, 0),
    ],
)
async def test_next_page(api, content, token, entries):
    """An empty list is an empty object; a page without entries may lead to another."""
    page, _ = await listed(api, content)
    assert (page.next_token, len(page)) == (token, entries)


@pytest.mark.parametrize("content", [[], "list", 7, None, {"error": "x"}, {"data": []}, {"operations": "x"}])
async def test_what_is_no_list_is_a_failure(api, content):
    """Another shape is no empty list: nothing is known of the batches."""
    page, _ = await listed(api, content)
    assert isinstance(page, Failure)
    assert page.reason is Reason.MALFORMED


async def test_entry_that_is_no_operation_costs_only_itself(api):
    page, _ = await listed(api, {"operations": [operation(), {"metadata": {}}, 7, {"name": "b", "metadata": {"state": 7}}]})
    assert [job.id for job in page.jobs] == [NAME]
    assert [job.id for job in page.malformed] == [None, None, "b"]


async def test_batch_is_asked_for_by_its_name(api):
    """The name is the path, and the answer has to be that batch."""
    async with loopback(json_answer(operation("batches/a b?")), json_answer(operation("batches/2")), json_answer([])) as server:
        got = [await api(server.url).get_job("batches/a b?") for _ in range(3)]
    assert head_of(server.requests[0])[0] == "GET /v1beta/batches/a%20b%3F HTTP/1.1"
    assert got[0].id == "batches/a b?"
    assert [each.reason for each in got[1:]] == [Reason.MALFORMED] * 2


LARGE = sends(answer(b" " * (16 * 1024 * 1024 + 1)))


async def test_a_list_with_large_inlined_results_is_asked_for_without_them(api):
    """A second request has what a job needs, and later ones ask for no more in the first place."""
    page = json_answer({"operations": [operation()], "nextPageToken": "more"})
    async with loopback(LARGE, page, page) as server:
        provider = api(server.url)
        pages = [await provider.list_jobs(ListQuery(), token, 3) for token in (None, "more")]
        asked = [dict(parse_qsl(urlsplit(head_of(each)[0].split()[1]).query)) for each in server.requests]
    assert [[job.id for job in page.jobs] for page in pages] == [[NAME]] * 2
    fields = {"fields": asked[1]["fields"]}
    assert asked == [{"pageSize": "3"}, {"pageSize": "3"} | fields, {"pageSize": "3", "pageToken": "more"} | fields]
    assert fields["fields"].startswith("nextPageToken,operations(name,done,error,metadata(")
    assert "inlined" not in fields["fields"]


@pytest.mark.parametrize("second", [LARGE, json_answer({"error": {"message": "Invalid field selection"}}, 400)])
async def test_what_is_too_large_in_any_form_says_what_to_do(api, second):
    """Of a batch by its name too; nothing is read beyond the limit."""
    async with loopback(LARGE, second, LARGE, second) as server:
        provider = api(server.url)
        failures = [await provider.get_job(NAME), await provider.list_jobs(ListQuery(), None, 3)]
    for failure in failures:
        assert failure.reason is Reason.MALFORMED
        assert failure.detail.startswith(
            f"expected at most {16 * 1024 * 1024} bytes, found more; batches whose results are inl"
        )
        assert failure.detail.endswith("send large ones as a file, and delete these once they are read")


@pytest.mark.parametrize("name", ["1", "batches/", "batches/1/2", "batches/../files/1", "files/1", ""])
async def test_another_name_is_not_requested(api, name):
    """The API has no such batch."""
    async with loopback(json_answer(operation())) as server:
        failure = await api(server.url).get_job(name)
    assert (failure.reason, failure.status, server.requests) == (Reason.NOT_FOUND, 404, [])


async def test_dots_lead_to_no_other_path(api):
    async with loopback(json_answer({}, 404)) as server:
        await api(server.url).get_job("batches/..")
    assert head_of(server.requests[0])[0] == "GET /v1beta/batches/%2E%2E HTTP/1.1"


async def test_file_is_described_and_read(files):
    """Its facts have the bytes as text; its content is asked for as media."""
    described = {"name": FILE, "sizeBytes": "75", "expirationTime": "2025-09-03T04:13:24.5Z"}
    async with loopback(json_answer(described), sends(answer(LINES))) as server:
        facts = await files(server.url).file_facts(FILE)
        async with files(server.url).open_content(FILE) as content:
            got = b"".join([part async for part in content])
    assert facts == FileFacts(bytes=75, expires_at=1756872804)
    assert got == LINES
    assert [head_of(request)[0] for request in server.requests] == [
        "GET /v1beta/files/batch-1 HTTP/1.1",
        "GET /v1beta/files/batch-1:download?alt=media HTTP/1.1",
    ]


@pytest.mark.parametrize("size", [None, 75, "-1", "many", "9" * 30])
async def test_unknown_facts_are_none(files, size):
    async with loopback(json_answer({"name": FILE, "sizeBytes": size, "expirationTime": 7})) as server:
        assert await files(server.url).file_facts(FILE) == FileFacts()


@pytest.mark.parametrize("answered", [{"name": "files/2"}, {}, [], 7])
async def test_another_answer_is_a_failure(files, answered):
    """The file has to be the one that was requested."""
    async with loopback(json_answer(answered)) as server:
        assert (await files(server.url).file_facts(FILE)).reason is Reason.MALFORMED


async def test_a_file_that_is_gone_is_refused(files):
    """The API does not say whether it exists: it is a 403, with the API's own words."""
    message = "You do not have permission to access the File 1 or it may not exist."
    error = json_answer({"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}, 403)
    async with loopback(error) as server, files(server.url).open_content(FILE) as content:
        assert (content.status, message in content.detail) == (403, True)


@pytest.mark.parametrize("file_id", ["", "1", "files/", "files/1/2", NAME])
async def test_another_id_is_not_requested(files, file_id):
    async with loopback(json_answer({})) as server:
        facts = await files(server.url).file_facts(file_id)
        async with files(server.url).open_content(file_id) as content:
            assert (facts.reason, content.reason) == (Reason.NOT_FOUND, Reason.NOT_FOUND)
    assert server.requests == []


async def test_a_refused_key_is_known_by_its_reason(api):
    """Google answers 400 to a wrong key: it is the key that is refused, and the account that fails, not this request."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}]
    message = "API key not valid. Please pass a valid API key."
    refused = json_answer({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": details}}, 400)
    other = json_answer({"error": {"code": 400, "message": "Bad page size", "status": "INVALID_ARGUMENT"}}, 400)
    async with loopback(refused, other) as server:
        failures = [await api(server.url).list_jobs(ListQuery(), None, 3) for _ in range(2)]
    assert [failure.reason for failure in failures] == [Reason.UNAUTHORISED, Reason.REJECTED]
    assert (failures[0].refuses_account, failures[0].detail) == (True, f"HTTP 400: {message}")

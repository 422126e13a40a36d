"""OpenAI's API, and what is shaped like it, as it is called: the requests, and the pages that come of the answers."""

import json
from itertools import accumulate

import pytest
from loopback import answer, head_of, loopback, sends
from vendor_clients import openai

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.provider import ListQuery, Order
from tracker.http.client import Answer, http_client
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.openai.jobs_api import BASE_URL, OpenAIBatches

KEY = "canary-key"


@pytest.fixture
async def api(tls):
    """An API at a URL: `api(url)`."""
    async with http_client(tls) as http:
        yield lambda url: openai(http, url, KEY, rate_limiter=RateLimiter(1000), deadline=5.0, now=lambda: 0)


def batches(*numbers, created=None):
    return [
        {
            "id": f"batch_{number}",
            "object": "batch",
            "status": "in_progress",
            "created_at": created or 2_000_000_000 - 1000 * number,
        }
        for number in numbers
    ]


def json_answer(value):
    return sends(answer(json.dumps(value).encode(), 200, "content-type: application/json"))


async def listed(api, content, *, token=None, page_size=3):
    async with loopback(json_answer(content)) as server:
        page = await api(server.url).list_jobs(ListQuery(statuses=("RUNNING",), created_after=7), token, page_size)
    return page, head_of(server.requests[0])


@pytest.mark.parametrize(("token", "line"), [(None, "limit=3"), ("batch_7", "limit=3&after=batch_7")])
async def test_list_is_asked_for_in_this_form(api, token, line):
    """The size and the ID to go on behind, and no filters, which the API lacks; the key is the bearer."""
    _, (request, headers) = await listed(api, {"object": "list", "data": [], "has_more": False}, token=token)
    assert request == f"GET /v1/batches?{line} HTTP/1.1"
    assert dict(headers)["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("content", "token"),
    [
        ({"object": "list", "data": batches(1, 2), "has_more": True, "last_id": "batch_2"}, "batch_2"),
        ({"data": batches(1, 2), "has_more": True}, "batch_2"),
        ({"data": batches(1, 2, 3), "has_more": False, "last_id": "batch_3"}, None),
        ({"data": batches(1, 2, 3)}, "batch_3"),  # a gateway that does not say: there may be more
        ({"data": batches(1, 2, 3), "has_more": None}, "batch_3"),
        ({"data": batches(1, 2)}, None),
        ({"data": batches(1, 2, 3, 4), "object": "list"}, None),  # it knows no limit: this is all
        (batches(1, 2, 3), None),  # Together
        ([], None),
        ({"data": [], "has_more": True}, None),
        ({"data": None, "has_more": False}, None),
    ],
)
async def test_next_page(api, content, token):
    """A page leads to the next one where the API says so, or where it does not say and the page is full."""
    page, _ = await listed(api, content)
    assert page.next_token == token
    says = isinstance(content, dict) and isinstance(content.get("has_more"), bool)
    assert page.next_is_guessed == (token is not None and not says)
    assert page.total is None
    assert len(page) == len((content if isinstance(content, list) else content["data"]) or ())


@pytest.mark.parametrize("content", [{}, "list", 7, None, {"error": "x"}, {"data": "x"}, {"data": {"a": 1}, "has_more": True}])
async def test_what_is_no_list_is_a_failure(api, content):
    """Another shape is no empty list: nothing is known of the batches."""
    page, _ = await listed(api, content)
    assert isinstance(page, Failure)
    assert page.reason is Reason.MALFORMED


async def test_entry_that_is_no_batch_costs_only_itself(api):
    """A batch without a status is malformed; the others are read."""
    page, _ = await listed(api, {"data": [*batches(1), {"id": "batch_2"}, 7], "has_more": False})
    assert [job.id for job in page.jobs] == ["batch_1"]
    assert [job.id for job in page.malformed] == ["batch_2", None]


@pytest.mark.parametrize(
    "content",
    [
        {"object": "list", "data": batches(*range(2500))},
        batches(*range(2500)),
        {"has_more": False, "data": batches(*range(2500)), "last_id": "batch_2499"},
    ],
    ids=["Groq", "Together", "it says that this is all"],
)
async def test_whole_list_of_any_length_is_read_in_parts(api, content):
    """One request for all, whatever the length; each part is a page that leads to the next one, the last one nowhere."""
    async with loopback(json_answer(content), json_answer(content)) as server:
        provider = api(server.url)
        pages = [await provider.list_jobs(ListQuery(), None, 100)]
        while (token := pages[-1].next_token) is not None:
            pages.append(await provider.list_jobs(ListQuery(), token, 100))
        assert [len(page) for page in pages] == [1000, 1000, 500]
        assert [job.id for page in pages for job in page.jobs] == [f"batch_{number}" for number in range(2500)]
        assert not any(page.next_is_guessed for page in pages)
        assert len(server.requests) == 1
        again = await provider.list_jobs(ListQuery(), None, 100)
        assert (again.jobs, len(server.requests)) == (pages[0].jobs, 2)


async def test_long_list_goes_on_where_it_says_so(api):
    """Where the API claims more behind a long answer, the last part leads there."""
    async with loopback(json_answer({"data": batches(*range(1001)), "has_more": True, "last_id": "batch_x"})) as server:
        provider = api(server.url)
        first = await provider.list_jobs(ListQuery(), None, 100)
        last = await provider.list_jobs(ListQuery(), first.next_token, 100)
    assert (len(last), last.next_token) == (1, "batch_x")


async def test_parts_behind_what_is_known_are_dropped(api):
    """A sweep that has seen enough asks for no more of them, and they take no memory until the next one."""
    async with loopback(json_answer(batches(*range(2500)))) as server:
        provider = api(server.url)
        page = await provider.list_jobs(ListQuery(created_after=2_000_000_000 - 1000 * 500), None, 100)
        assert provider.capabilities.has_passed(page, ListQuery(created_after=2_000_000_000 - 1000 * 500))
        assert provider._unpaginated.take(page.next_token) is None


async def test_gateway_that_counts_entries_is_told_how_many(api):
    """llm-d's gateway refuses an ID as `after`; from then on it is given the number of entries before the page."""
    refusal = {"error": {"message": "invalid after parameter: must be an integer", "code": 400}}
    refused = sends(answer(json.dumps(refusal).encode(), 400, "content-type: application/json"))
    pages = [json_answer({"data": batches(*numbers), "has_more": True}) for numbers in ((1, 2), (3, 4), (5, 6), (1, 2), (3, 4))]
    async with loopback(pages[0], refused, *pages[1:]) as server:
        provider = api(server.url)
        for token in (None, "batch_2", "batch_4", None, "batch_2"):
            page = await provider.list_jobs(ListQuery(), token, 2)
            assert len(page) == 2
        asked = [head_of(each)[0].split()[1].partition("limit=2")[2] for each in server.requests]
    assert asked == ["", "&after=batch_2", "&after=2", "&after=4", "", "&after=2"]


async def test_refused_cursor_is_a_failure_like_any_other(api):
    """An ID that leads nowhere is no wish for a number; and a gateway that no longer takes one is given IDs again."""
    gone, integer = (
        sends(answer(json.dumps({"error": {"message": message}}).encode(), 400, "content-type: application/json"))
        for message in ("no such batch", "must be an integer")
    )
    first, second = (json_answer({"data": batches(*numbers), "has_more": True}) for numbers in ((1, 2), (3, 4)))
    async with loopback(first, gone, integer, second, gone, first) as server:
        provider = api(server.url)
        await provider.list_jobs(ListQuery(), None, 2)
        found = [await provider.list_jobs(ListQuery(), token, 2) for token in ("batch_2", "batch_2", "batch_4", "batch_4")]
        asked = [head_of(each)[0].split()[1].partition("&after=")[2] for each in server.requests]
    assert [getattr(each, "status", None) for each in found] == [400, None, 400, None]
    assert asked == ["", "batch_2", "batch_2", "2", "4", "batch_4"]


async def test_list_in_another_order_is_read_to_its_end(api):
    """A list with the oldest first does not end at a creation time; what its next head shows is believed again."""
    pages = [json_answer({"data": batches(*numbers), "has_more": True}) for numbers in ((3, 2), range(5), range(5))]
    async with loopback(*pages) as server:
        assert await orders(api(server.url), None, "batch_2", None) == [Order.UNKNOWN, Order.UNKNOWN, Order.NEWEST_FIRST]


@pytest.mark.parametrize(
    ("gaps", "openai_s", "gateway_s"),
    [
        ((-9, -9, -9, -9), Order.NEWEST_FIRST, Order.NEWEST_FIRST),
        ((-9, 0, -9, -9, -9, 0), Order.NEWEST_FIRST, Order.NEWEST_FIRST),
        ((-9, -9, -9), Order.NEWEST_FIRST, Order.UNKNOWN),  # a gateway has to show it
        ((0,) * 99, Order.NEWEST_FIRST, Order.UNKNOWN),
        ((), Order.NEWEST_FIRST, Order.UNKNOWN),
        ((-9, -9, 1, -9, -9), Order.NEWEST_FIRST, Order.NEWEST_FIRST),  # created together, and shown a little out of order
        ((-9, -9, 6, -9, -9), Order.NEWEST_FIRST, Order.UNKNOWN),  # OpenAI may be more so
        ((1, 1, 1, 1, 1), Order.NEWEST_FIRST, Order.UNKNOWN),
        ((-1, -1, -1, -1, -1), Order.NEWEST_FIRST, Order.UNKNOWN),
        ((1,) * 60, Order.NEWEST_FIRST, Order.UNKNOWN),
        ((1,) * 61, Order.UNKNOWN, Order.UNKNOWN),
        ((-9, 61, -99, -9, -9, -9), Order.UNKNOWN, Order.UNKNOWN),
    ],
)
async def test_order_of_a_list(gaps, openai_s, gateway_s):
    """OpenAI's list is the newest first unless it is far from it, a gateway's once it shows that on a page."""
    times = accumulate(gaps, initial=2_000_000_000)
    listed = [{"id": f"batch_{n}", "status": "in_progress", "created_at": at} for n, at in enumerate(times)]
    for base, order in ((BASE_URL, openai_s), ("https://gateway.example", gateway_s)):
        assert await orders(OpenAIBatches(Answering(base, {"data": listed, "has_more": True})), None) == [order]


class Answering:
    """The requests of an account whose API gives one answer."""

    def __init__(self, base, content):
        self._base, self._content = base, content

    def url(self, path):
        return self._base + path

    async def get(self, _call, _url, _params=()):
        return Answer(200, {}, json.dumps(self._content).encode())


async def orders(provider, *tokens):
    """What the order of the list is believed to be after each of these pages."""
    found = []
    for token in tokens:
        await provider.list_jobs(ListQuery(), token, 2)
        found.append(provider.capabilities.order)
    return found


async def test_batch_is_asked_for_by_its_id(api):
    """An ID is one segment of the path, and the answer has to be that batch."""
    (batch,) = batches(1)
    async with loopback(json_answer(batch | {"id": "../b"}), json_answer(batch), json_answer([])) as server:
        got = [await api(server.url).get_job("../b") for _ in range(3)]
    assert head_of(server.requests[0])[0] == "GET /v1/batches/%2E%2E%2Fb HTTP/1.1"
    assert got[0].id == "../b"
    assert [each.reason for each in got[1:]] == [Reason.MALFORMED] * 2

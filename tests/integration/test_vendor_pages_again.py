"""Each vendor's list shows the same jobs in every sweep: what comes byte for byte as before is not read again."""

import json

import pytest
from loopback import answer, loopback, sends
from vendor_clients import vendor_requests

from tracker.core.jobs.new_properties import NewProperties
from tracker.core.ports.provider import ListQuery
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.vendor_registry import VENDORS

MISTRAL = {"id": "1", "status": "RUNNING", "created_at": 1, "total_requests": 4} | dict.fromkeys(
    ["completed_requests", "succeeded_requests", "failed_requests"], 0
)
OPENAI = {"id": "batch_1", "object": "batch", "status": "in_progress", "created_at": 1}
ANTHROPIC = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "in_progress",
    "created_at": "2025-09-01T04:13:24Z",
}
GEMINI = {"name": "batches/1", "metadata": {"state": "BATCH_STATE_RUNNING", "createTime": "2025-09-01T04:13:24Z"}}

LISTS = {
    "mistral": lambda **changes: {"data": [MISTRAL | changes], "total": 1},
    "openai": lambda **changes: {"data": [OPENAI | changes], "has_more": False},
    "anthropic": lambda **changes: {"data": [ANTHROPIC | changes], "has_more": False},
    "gemini": lambda **changes: {"operations": [GEMINI | changes]},
}


@pytest.mark.parametrize("vendor", LISTS)
async def test_a_page_that_is_the_same_is_not_read_again(vendor):
    """The second page has the very jobs of the first; one byte that differs gives others."""
    contents = [LISTS[vendor](), LISTS[vendor](), LISTS[vendor](note="new")]
    steps = [sends(answer(json.dumps(each).encode(), 200, "content-type: application/json")) for each in contents]
    async with http_client(tls_context()) as http, loopback(*steps) as server:
        limits = {"rate_limiter": RateLimiter(1000), "deadline": 5.0, "now": lambda: 0}
        api = VENDORS[vendor].open_jobs(vendor_requests(vendor, http, server.url, "key", **limits))
        pages = [await api.list_jobs(ListQuery(), None, 100) for _ in contents]
    assert pages[1].jobs is pages[0].jobs
    assert pages[2].jobs is not pages[0].jobs
    assert len(pages[2].jobs) == 1


async def test_a_new_property_is_learned_from_one_page(monkeypatch):
    """Mistral's next page with the property is read by the decoder that expects it."""
    read, real = [], NewProperties.read
    monkeypatch.setattr(NewProperties, "read", lambda self, body: read.append(real(self, body)) or read[-1])
    steps = [
        sends(answer(json.dumps(LISTS["mistral"](tier=tier)).encode(), 200, "content-type: application/json"))
        for tier in ("flex", "batch")
    ]
    async with http_client(tls_context()) as http, loopback(*steps) as server:
        limits = {"rate_limiter": RateLimiter(1000), "deadline": 5.0, "now": lambda: 0}
        api = VENDORS["mistral"].open_jobs(vendor_requests("mistral", http, server.url, "key", **limits))
        pages = [await api.list_jobs(ListQuery(), None, 100) for _ in steps]
    assert [page.jobs[0].extra for page in pages] == [{"tier": "flex"}, {"tier": "batch"}]
    assert [bool(each) for each in read] == [False, True]

"""Anthropic's simulated API, held to its official client."""

import httpx
import pytest
from standing_clock import StandingClock

from tracker.server.embedded import open_server
from tracker.simulator.random_job_plans import Population
from tracker.simulator.vendors.anthropic.anthropic_api import AnthropicApi
from tracker.simulator.vendors.anthropic.batch_objects import BATCH, batch_at
from tracker.simulator.vendors.ids import parsed, shown
from tracker.simulator.workspace import Workspace

pytestmark = pytest.mark.xdist_group("anthropic client")  # it is long to load

BEGAN = 1_795_478_400.0
JOBS = 60
STATUSES = {"in_progress", "canceling", "ended"}


@pytest.fixture
async def simulator():
    """A simulated API without batches, on a clock of its own; `url` is where it is."""
    simulator = AnthropicApi(Workspace(), StandingClock(BEGAN), population=Population(10, catalog=AnthropicApi.catalog))
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        simulator.url = address.url
        yield simulator


@pytest.fixture
async def batches(simulator):
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - long to load, and each worker collects all tests

    async with AsyncAnthropic(api_key="any", base_url=simulator.url, max_retries=0) as client:
        yield client.messages.batches


def requests(simulate, number=20):
    message = {"model": "claude-sonnet-6", "max_tokens": 8, "messages": [{"role": "user", "content": "?"}]}
    first = message | {"metadata": {"user_id": f"simulate={simulate}"}}
    return [{"custom_id": f"r{each}", "params": message if each else first} for each in range(number)]


def _busy():
    """A workspace with a few hundred batches."""
    return Workspace(arrivals=Population(9, catalog=AnthropicApi.catalog).arrivals(JOBS, BEGAN))


@pytest.mark.slow
async def test_all_pages_are_listed_by_the_official_client(simulator, batches):
    """The client's own iteration over pages gives every batch once, the newest first; all statuses occur."""
    simulator.workspace = _busy()
    statuses = set()
    for at in range(0, 200, 25):
        simulator.clock.at = BEGAN + at
        listed = [batch async for batch in batches.list(limit=37)]
        plans = [plan for plan in simulator.workspace.plans.values() if plan.created <= simulator.clock.at]
        newest_first = sorted(plans, key=lambda plan: plan.created, reverse=True)
        assert [batch.id for batch in listed] == [shown(BATCH, plan.id) for plan in newest_first]
        assert listed[0].to_dict(mode="json") == _as_json(batch_at(newest_first[0], simulator.clock.at, simulator.url + "/"))
        statuses |= {batch.processing_status for batch in listed}
    assert statuses >= STATUSES


def _as_json(batch):
    """As the client writes it: times without what they do not need."""
    from anthropic.types.messages import MessageBatch  # noqa: PLC0415 - long to load

    return MessageBatch.model_validate(batch).to_dict(mode="json")


async def test_pages_lead_backwards_too(simulator, batches):
    """`before_id` shows what stands before a batch."""
    simulator.workspace = _busy()
    first = await batches.list(limit=10)
    second = await batches.list(limit=10, after_id=first.last_id)
    before = await batches.list(limit=10, before_id=second.first_id)
    assert [batch.id for batch in before.data] == [batch.id for batch in first.data]
    assert (before.has_more, simulator.requests["list"]) == (False, 3)


async def test_a_batch_is_submitted_followed_and_read_by_the_official_client(simulator, batches):
    """All requests are processing up to the end; then each has a result, with the tokens that a cache saved."""
    batch = await batches.create(requests=requests("partial"))
    plan = simulator.workspace.plans[parsed(BATCH, batch.id)]
    seen = []
    while batch.ended_at is None:
        seen.append((batch.processing_status, batch.request_counts.processing, batch.results_url))
        simulator.clock.at += plan.running / 50
        batch = await batches.retrieve(batch.id)
    assert set(seen) == {("in_progress", 20, None)}
    assert batch.created_at <= batch.ended_at < batch.expires_at
    counts = batch.request_counts
    assert (counts.processing, counts.succeeded, counts.errored) == (0, 20 - plan.failures, plan.failures)
    results = [line async for line in await batches.results(batch.id)]
    assert sorted(line.custom_id for line in results) == sorted(f"r{number}" for number in range(20))
    kinds = [line.result.type for line in results]
    assert (kinds.count("succeeded"), kinds.count("errored")) == (counts.succeeded, counts.errored)
    messages = [line.result.message for line in results if line.result.type == "succeeded"]
    assert all(message.usage.input_tokens and message.model == "claude-sonnet-6" for message in messages)
    assert sum(message.usage.cache_read_input_tokens for message in messages) > 0
    assert all(line.result.error.error.message for line in results if line.result.type == "errored")


@pytest.mark.parametrize(
    ("end", "others"),
    [
        ("all_failed", {"errored"}),
        ("failed", {"succeeded", "errored"}),
        ("timeout_exceeded", {"succeeded", "expired"}),
        ("mixed-end", {"succeeded", "canceled", "expired"}),
    ],
)
async def test_a_batch_ends_as_it_is_asked_to(simulator, batches, end, others):
    """How it ended is in its counts alone, and each request has a line of that kind."""
    batch = await batches.create(requests=requests(end))
    simulator.clock.at += 1000
    batch = await batches.retrieve(batch.id)
    kinds = [line.result.type async for line in await batches.results(batch.id)]
    assert batch.processing_status == "ended"
    assert {kind: kinds.count(kind) for kind in others} == {kind: getattr(batch.request_counts, kind) for kind in others}
    assert (set(kinds), len(kinds)) == (others, 20)


async def test_a_batch_is_canceled_and_deleted_by_the_official_client(simulator, batches):
    """It is canceling first, then ended with canceled requests, can't be canceled again, and is deleted only then."""
    from anthropic import BadRequestError, NotFoundError  # noqa: PLC0415 - long to load

    batch = await batches.create(requests=requests("success"))
    simulator.clock.at += 2
    batch = await batches.cancel(batch.id)
    assert (batch.processing_status, batch.cancel_initiated_at.timestamp()) == ("canceling", simulator.clock.at)
    with pytest.raises(BadRequestError):
        await batches.delete(batch.id)
    simulator.clock.at += 100
    batch = await batches.retrieve(batch.id)
    assert (batch.processing_status, batch.request_counts.canceled) == ("ended", 20)
    with pytest.raises(BadRequestError):
        await batches.cancel(batch.id)
    assert (await batches.delete(batch.id)).type == "message_batch_deleted"
    with pytest.raises(NotFoundError):
        await batches.retrieve(batch.id)


@pytest.mark.parametrize("fault", ["archived", "foreign-results", "null-counts", "unknown-status", "late-output"])
async def test_traps(simulator, fault):
    """Each is in the JSON of the batch, and none is in another one's."""
    plain = simulator.population.plan(BEGAN, "success")
    plan = simulator.population.plan(BEGAN, fault)
    simulator.workspace.add(plan)
    async with httpx.AsyncClient(base_url=simulator.url, headers=_KEY) as raw:
        url = f"/v1/messages/batches/{shown(BATCH, plan.id)}"
        simulator.clock.at = plan.created + 1
        running = (await raw.get(url)).json()
        simulator.clock.at = plan.ended + 1
        ended = (await raw.get(url)).json()
        simulator.clock.at = plan.ended + 3
        later = (await raw.get(url)).json()
        results = await raw.get(url + "/results")
    assert batch_at(plain, plain.ended + 3, "/")["archived_at"] is None
    assert {
        "archived": (later["archived_at"], later["results_url"], results.status_code) != (None, None, 404)
        and ended["archived_at"] is None,
        "foreign-results": later["results_url"].startswith("https://results.invalid/") if later["results_url"] else False,
        "null-counts": running["request_counts"] is None and ended["request_counts"] is None,
        "unknown-status": running["processing_status"] == "hibernating" and ended["processing_status"] == "ended",
        "late-output": ended["results_url"] is None and later["results_url"] is not None,
    }[fault]


async def test_mistakes_are_answered_as_anthropic_does(simulator):
    """A wrong key or no version is 401, a cursor that leads nowhere 400, an unknown batch 404, each with its type of error."""
    unknown = "/v1/messages/batches/msgbatch_" + "0" * 32
    async with httpx.AsyncClient(base_url=simulator.url) as raw:
        answers = [
            await raw.get("/v1/messages/batches"),
            await raw.get("/v1/messages/batches", headers={"x-api-key": "any"}),
            await raw.get("/v1/messages/batches?after_id=x", headers=_KEY),
            await raw.get("/v1/messages/batches?limit=1001", headers=_KEY),
            await raw.get(unknown, headers=_KEY),
            await raw.get(unknown + "/results", headers=_KEY),
            await raw.post("/v1/messages/batches", json={"requests": []}, headers=_KEY),
        ]
    assert [(answer.status_code, answer.json()["error"]["type"]) for answer in answers] == [
        *[(401, "authentication_error")] * 2,
        *[(400, "invalid_request_error")] * 2,
        *[(404, "not_found_error")] * 2,
        (400, "invalid_request_error"),
    ]


_KEY = {"x-api-key": "any", "anthropic-version": "2023-06-01"}

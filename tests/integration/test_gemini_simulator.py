"""Gemini's simulated API, held to its official client."""

import json

import httpx
import pytest
from standing_clock import StandingClock

from tracker.server.embedded import open_server
from tracker.simulator.random_job_plans import Population
from tracker.simulator.vendors.gemini.gemini_api import GeminiApi
from tracker.simulator.vendors.gemini.operations import BATCH, FILE
from tracker.simulator.vendors.ids import parsed, shown
from tracker.simulator.workspace import Workspace

pytestmark = pytest.mark.xdist_group("gemini client")  # it is long to load

BEGAN = 1_795_478_400.0
JOBS = 60
STATES = {f"JOB_STATE_{name}" for name in ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")}
REQUEST = {"contents": [{"role": "user", "parts": [{"text": "?"}]}]}
LINES = b"".join(json.dumps({"key": f"r{number}", "request": REQUEST}).encode() + b"\n" for number in range(20))
_KEY = {"x-goog-api-key": "any"}


@pytest.fixture
async def simulator():
    """A simulated API without batches, on a clock of its own; `url` is where it is."""
    simulator = GeminiApi(Workspace(), StandingClock(BEGAN), population=Population(10, catalog=GeminiApi.catalog))
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        simulator.url = address.url
        yield simulator


@pytest.fixture
async def client(simulator):
    from google import genai  # noqa: PLC0415 - long to load, and each worker collects all tests

    client = genai.Client(api_key="any", http_options={"base_url": simulator.url}).aio
    try:
        yield client
    finally:
        await client.aclose()


async def submitted(client, simulate, tmp_path):
    """A batch of twenty requests in a file, submitted by the official client."""
    path = tmp_path / "requests.jsonl"
    path.write_bytes(LINES)
    file = await client.files.upload(file=str(path), config={"mime_type": "application/jsonl"})
    return await client.batches.create(
        model="gemini-4-flash", src=file.name, config={"display_name": f"nightly simulate={simulate}"}
    )


def _busy():
    """A workspace with a few hundred batches."""
    return Workspace(arrivals=Population(9, catalog=GeminiApi.catalog).arrivals(JOBS, BEGAN))


@pytest.mark.slow
async def test_all_pages_are_listed_by_the_official_client(simulator, client):
    """The client's own iteration over pages gives every batch once; all states occur."""
    simulator.workspace = _busy()
    states = set()
    for at in range(0, 200, 25):
        simulator.clock.at = BEGAN + at
        listed = [batch async for batch in await client.batches.list(config={"page_size": 37})]
        plans = [plan for plan in simulator.workspace.plans.values() if plan.created <= simulator.clock.at]
        newest_first = sorted(plans, key=lambda plan: plan.created, reverse=True)
        assert [batch.name for batch in listed] == [shown(BATCH, plan.id) for plan in newest_first]
        assert [int(batch.create_time.timestamp()) for batch in listed] == [int(plan.created) for plan in newest_first]
        states |= {batch.state.value for batch in listed}
    assert states >= STATES


async def test_a_batch_is_submitted_followed_and_read_by_the_official_client(simulator, client, tmp_path):
    """Upload, creation, states up to the end, and the file of results: a line for each request, with its key."""
    batch = await submitted(client, "partial", tmp_path)
    plan = simulator.workspace.plans[parsed(BATCH, batch.name)]
    seen = []
    while batch.end_time is None:
        simulator.clock.at += plan.running / 50
        batch = await client.batches.get(name=batch.name)
        seen += [batch.state.value] if batch.state.value not in seen else []
    assert seen == ["JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"]
    assert (batch.model, batch.display_name) == ("models/gemini-4-flash", "nightly simulate=partial")
    content = await client.files.download(file=batch.dest.file_name)
    lines = [json.loads(line) for line in content.splitlines()]
    assert sorted(line["key"] for line in lines) == sorted(f"r{number}" for number in range(20))
    usage = [line["response"]["usageMetadata"] for line in lines if "response" in line]
    assert len(usage) == 20 - plan.failures
    assert all(each["totalTokenCount"] >= each["promptTokenCount"] + each["candidatesTokenCount"] for each in usage)
    assert sum("error" in line or "status" in line for line in lines) == plan.failures
    file = await client.files.get(name=batch.dest.file_name)
    assert (file.size_bytes, file.source.value) == (len(content), "GENERATED")


async def test_inlined_requests_have_inlined_responses(simulator, client):
    """Their results are in the operation, and in no file."""
    batch = await client.batches.create(
        model="gemini-4-flash", src=[REQUEST] * 3, config={"display_name": "few simulate=success"}
    )
    simulator.clock.at += 1000
    batch = await client.batches.get(name=batch.name)
    assert batch.state.value == "JOB_STATE_SUCCEEDED"
    assert (len(batch.dest.inlined_responses), batch.dest.file_name) == (3, None)
    assert batch.dest.inlined_responses[0].response.usage_metadata.total_token_count > 0


@pytest.mark.parametrize(
    ("end", "state"),
    [("all_failed", "SUCCEEDED"), ("failed", "FAILED"), ("timeout_exceeded", "EXPIRED"), ("stuck-pending", "PENDING")],
)
async def test_a_batch_ends_as_it_is_asked_to(simulator, client, tmp_path, end, state):
    """One that is stuck stays pending for two days."""
    batch = await submitted(client, end, tmp_path)
    simulator.clock.at += 47 * 3600
    assert (await client.batches.get(name=batch.name)).state.value == f"JOB_STATE_{state}"
    simulator.clock.at += 2 * 3600
    later = await client.batches.get(name=batch.name)
    assert later.state.value == f"JOB_STATE_{'EXPIRED' if end == 'stuck-pending' else state}"


async def test_a_batch_is_cancelled_and_deleted_by_the_official_client(simulator, client, tmp_path):
    """No state says that it is under way."""
    batch = await submitted(client, "success", tmp_path)
    simulator.clock.at += 2
    await client.batches.cancel(name=batch.name)
    assert (await client.batches.get(name=batch.name)).state.value == "JOB_STATE_RUNNING"
    simulator.clock.at += 100
    assert (await client.batches.get(name=batch.name)).state.value == "JOB_STATE_CANCELLED"
    await client.batches.delete(name=batch.name)
    from google.genai.errors import ClientError  # noqa: PLC0415 - long to load

    with pytest.raises(ClientError, match="404"):
        await client.batches.get(name=batch.name)


async def test_counts_are_texts_and_zeros_are_absent(simulator):
    """As protocol buffers write them: no statistics before the input is known, no count of 0, and none with the fault."""
    plan, without = (simulator.population.plan(BEGAN, end, requests=50) for end in ("success", "null-counts"))
    for each in (plan, without):
        simulator.workspace.add(each)
    async with httpx.AsyncClient(base_url=simulator.url, headers=_KEY) as raw:
        simulator.clock.at = plan.created
        assert "batchStats" not in (await _metadata(raw, plan))
        simulator.clock.at = plan.ended
        assert (await _metadata(raw, plan))["batchStats"] == {"requestCount": "50", "successfulRequestCount": "50"}
        simulator.clock.at = without.ended
        assert "batchStats" not in (await _metadata(raw, without))


async def test_an_operation_may_lack_its_state_or_have_an_unknown_one(simulator):
    """Only the envelope says whether it is over."""
    bare, unknown = (simulator.population.plan(BEGAN, end) for end in ("bare-operation", "unknown-status"))
    for each in (bare, unknown):
        simulator.workspace.add(each)
    async with httpx.AsyncClient(base_url=simulator.url, headers=_KEY) as raw:
        simulator.clock.at = bare.ended
        operation = (await raw.get("/v1beta/" + shown(BATCH, bare.id))).json()
        assert ("state" in operation["metadata"], operation["done"], "response" in operation) == (False, True, True)
        simulator.clock.at = unknown.begun + 1
        assert (await _metadata(raw, unknown))["state"] == "BATCH_STATE_HIBERNATING"


async def _metadata(raw, plan):
    return (await raw.get("/v1beta/" + shown(BATCH, plan.id))).json()["metadata"]


async def test_mistakes_are_answered_as_gemini_does(simulator):
    """No key is 400, an unknown batch 404, an unknown file 403, a token of nowhere 400."""
    unknown = "0" * 32
    async with httpx.AsyncClient(base_url=simulator.url) as raw:
        answers = [
            await raw.get("/v1beta/batches"),
            await raw.get(f"/v1beta/{BATCH}{unknown}", headers=_KEY),
            await raw.get(f"/v1beta/{FILE}{unknown}", headers=_KEY),
            await raw.get(f"/v1beta/{FILE}{unknown}:download?alt=media", headers=_KEY),
            await raw.get("/v1beta/batches?pageToken=x", headers=_KEY),
            await raw.post("/v1beta/models/m:batchGenerateContent", json={"batch": {"inputConfig": {}}}, headers=_KEY),
        ]
    assert [(answer.status_code, answer.json()["error"]["status"]) for answer in answers] == [
        (400, "INVALID_ARGUMENT"),
        (404, "NOT_FOUND"),
        *[(403, "PERMISSION_DENIED")] * 2,
        *[(400, "INVALID_ARGUMENT")] * 2,
    ]

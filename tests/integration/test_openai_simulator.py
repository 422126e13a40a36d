"""OpenAI's simulated API, held to the official clients of OpenAI and Groq."""

import json

import httpx
import pytest
from standing_clock import StandingClock
from vendor_clients import openai as our_client

from tracker.core.ports.provider import ListQuery
from tracker.core.results.file_analysis import Analyzer, summarize
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.openai.job_mapping import read_batch
from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import Faults, parse
from tracker.simulator.random_job_plans import Population
from tracker.simulator.vendors.ids import BATCH, FILE, parsed, shown
from tracker.simulator.vendors.openai.batch_objects import batch_at
from tracker.simulator.vendors.openai.openai_api import OpenAIApi
from tracker.simulator.workspace import Query, Workspace

BEGAN = 1_795_478_400.0
JOBS = 60
STATUSES = {"validating", "in_progress", "finalizing", "cancelling", "completed", "failed", "expired", "cancelled"}
LINES = b"".join(
    json.dumps(
        {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-6", "messages": []}}
    ).encode()
    + b"\n"
    for number in range(20)
)


@pytest.fixture
async def simulator():
    """A simulated API with a few hundred batches, on a clock of its own; `url` is where it is."""
    population = Population(9, catalog=OpenAIApi.catalog)
    simulator = OpenAIApi(Workspace(arrivals=population.arrivals(JOBS, BEGAN)), StandingClock(BEGAN), population=Population(10))
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        simulator.url = address.url
        yield simulator


@pytest.fixture
async def client(simulator):
    from openai import AsyncOpenAI  # noqa: PLC0415 - long to load, and each worker collects all tests

    async with AsyncOpenAI(
        api_key="any", base_url=simulator.url + "/v1", max_retries=0, _strict_response_validation=True
    ) as it:
        yield it


@pytest.fixture
async def groq(simulator):
    from groq import AsyncGroq  # noqa: PLC0415 - long to load, and each worker collects all tests

    async with AsyncGroq(api_key="any", base_url=simulator.url, max_retries=0, _strict_response_validation=True) as it:
        yield it


async def test_all_pages_are_listed_by_the_official_client(simulator, client):
    """The client's own iteration over pages gives every batch once, the newest first, in OpenAI's model; all statuses occur."""
    statuses = set()
    for at in range(0, 200, 25):
        simulator.clock.at = BEGAN + at
        batches = [batch async for batch in client.batches.list(limit=37)]
        plans = [plan for plan in simulator.workspace.plans.values() if plan.created <= simulator.clock.at]
        newest_first = sorted(plans, key=lambda plan: plan.created, reverse=True)
        assert [batch.id for batch in batches] == [shown(BATCH, plan.id) for plan in newest_first]
        assert [batch.to_dict(mode="json") for batch in batches[:37]] == [
            batch_at(plan, simulator.clock.at) for plan in newest_first[:37]
        ]
        statuses |= {batch.status for batch in batches}
    assert statuses == STATUSES


async def test_a_batch_is_submitted_followed_and_read_by_the_official_client(simulator, client):
    """Upload, creation, retrieval up to the end and both files: lines for every request, the usage with cached tokens."""
    uploaded = await client.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"simulate": "partial", "team": "search"},
    )
    assert (batch.status, batch.model, batch.request_counts.total) == ("validating", "gpt-6", 0)
    plan = simulator.workspace.plans[parsed(BATCH, batch.id)]
    seen = []
    while batch.completed_at is None:
        simulator.clock.at += plan.running / 50
        batch = await client.batches.retrieve(batch.id)
        seen += [batch.status] if batch.status not in seen else []
    assert seen == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.in_progress_at <= batch.finalizing_at <= batch.completed_at <= simulator.clock.at
    assert batch.request_counts.to_dict() == {"total": 20, "completed": 20 - plan.failures, "failed": plan.failures}
    output = [json.loads(line) for line in (await client.files.content(batch.output_file_id)).text.splitlines() if line]
    errors = [json.loads(line) for line in (await client.files.content(batch.error_file_id)).text.splitlines() if line]
    assert sorted(line["custom_id"] for line in output + errors) == sorted(f"r{number}" for number in range(20))
    file = await client.files.retrieve(batch.output_file_id)
    assert (file.purpose, file.bytes) == ("batch_output", len((await client.files.content(file.id)).content))
    assert {file.id async for file in client.files.list(purpose="batch")} >= {uploaded.id, batch.output_file_id}
    assert (await client.files.delete(uploaded.id)).deleted


@pytest.mark.parametrize("endpoint", ["/v1/chat/completions", "/v1/responses", "/v1/embeddings"])
async def test_lines_are_those_of_openai(simulator, client, endpoint):
    """Answers are in the official client's models, failures have a status and an object of an error; our digest adds up."""
    from openai.types import CreateEmbeddingResponse  # noqa: PLC0415 - long to load, and each worker collects all tests
    from openai.types.chat import ChatCompletion  # noqa: PLC0415
    from openai.types.responses import Response  # noqa: PLC0415

    models = {"/v1/chat/completions": ChatCompletion, "/v1/responses": Response, "/v1/embeddings": CreateEmbeddingResponse}
    batch, plan, output, errors = await results_of(simulator, client, "partial", endpoint)
    for line in output + errors:
        assert line.keys() == {"id", "custom_id", "response", "error"}
        assert line["id"].startswith("batch_req_")
        assert line["response"].keys() == {"status_code", "request_id", "body"}
        assert line["error"] is None
    assert len({line["id"] for line in output + errors}) == 20
    answers = [models[endpoint].model_validate(line["response"]["body"], strict=True) for line in output]
    assert endpoint == "/v1/embeddings" or len({answer.id for answer in answers}) == len(answers)
    assert {line["response"]["status_code"] for line in output} == {200}
    for line in errors:
        assert line["response"]["status_code"] >= 400
        assert line["response"]["body"]["error"].keys() == {"message", "type", "param", "code"}
    digest, usage = digested(batch, output, errors)
    assert (digest.failed, digest.mismatch, usage.total.requests) == (plan.failures, None, 20 - plan.failures)
    assert sum(group.count for group in digest.groups) == plan.failures
    assert all(group.status in (400, 429, 500) and not group.message.startswith("{") for group in digest.groups)
    assert usage.total.prompt_tokens == sum(prompt_tokens(line) for line in output)
    if endpoint != "/v1/embeddings":
        assert 0 < usage.total.cached_tokens < usage.total.prompt_tokens


async def test_what_was_not_sent_before_the_expiry_is_in_the_file_of_errors(simulator, client):
    """An expired batch keeps what was done; each other request has a line without a response that says why."""
    batch, _, output, errors = await results_of(simulator, client, "timeout_exceeded", "/v1/chat/completions")
    assert (batch.status, batch.request_counts.total) == ("expired", 20)
    assert 0 < len(output) == batch.request_counts.completed < 20
    assert len(errors) == batch.request_counts.failed == 20 - len(output)
    assert {line["custom_id"] for line in output + errors} == {f"r{number}" for number in range(20)}
    assert {(line["response"], line["error"]["code"]) for line in errors} == {(None, "batch_expired")}
    digest, usage = digested(batch, output, errors)
    assert [(group.code, group.count) for group in digest.groups] == [("batch_expired", len(errors))]
    assert (digest.mismatch, usage.total.requests) == (None, len(output))
    as_if_uncounted = batch.model_copy(update={"request_counts": batch.request_counts.model_copy(update={"failed": 0})})
    assert digested(as_if_uncounted, output, errors)[0].mismatch is None


async def results_of(simulator, client, end, endpoint):
    """A batch that has ended in this way, its plan, and the lines of both files."""
    uploaded = await client.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id, endpoint=endpoint, completion_window="24h", metadata={"simulate": end}
    )
    simulator.clock.at += 1000
    batch = await client.batches.retrieve(batch.id)
    contents = [await client.files.content(file_id) for file_id in (batch.output_file_id, batch.error_file_id)]
    output, errors = ([json.loads(line) for line in content.text.splitlines() if line] for content in contents)
    return batch, simulator.workspace.plans[parsed(BATCH, batch.id)], output, errors


def digested(batch, output, errors):
    """What our own reader makes of both files."""
    analyses = []
    for lines in (output, errors):
        analyzer = Analyzer(batch.model)
        analyzer.feed(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        analyses.append(analyzer.finish())
    return summarize(read_batch(batch.to_dict(mode="json")), analyses)


def prompt_tokens(line):
    usage = line["response"]["body"]["usage"]
    return usage.get("prompt_tokens") or usage["input_tokens"]


@pytest.mark.parametrize(
    ("end", "status"), [("all_failed", "completed"), ("failed", "failed"), ("timeout_exceeded", "expired")]
)
async def test_a_batch_ends_as_it_is_asked_to(simulator, client, end, status):
    """All failed is `completed` without an output file; a failure has its errors; an expiry keeps what was done."""
    uploaded = await client.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/responses", completion_window="24h", metadata={"simulate": end}
    )
    simulator.clock.at += 1000
    batch = await client.batches.retrieve(batch.id)
    assert batch.status == status
    assert getattr(batch, f"{status}_at") is not None
    if end == "all_failed":
        assert (batch.output_file_id, batch.request_counts.completed, batch.request_counts.failed) == (None, 0, 20)
    assert [error.message for error in (batch.errors.data if batch.errors else [])] == (
        ["The model was withdrawn while the job ran"] if end == "failed" else []
    )


async def test_a_batch_is_cancelled_by_the_official_client(simulator, client):
    """It is cancelling first, then cancelled, and cannot be cancelled again."""
    from openai import ConflictError  # noqa: PLC0415 - long to load, and each worker collects all tests

    uploaded = await client.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
    simulator.clock.at += 2
    batch = await client.batches.cancel(batch.id)
    assert (batch.status, batch.cancelling_at) == ("cancelling", int(simulator.clock.at))
    simulator.clock.at += 100
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.cancelled_at is not None) == ("cancelled", True)
    with pytest.raises(ConflictError):
        await client.batches.cancel(batch.id)


async def test_mistakes_are_answered_as_openai_does(simulator, client):
    """Unknown batches and files are 404, a wrong parameter 400, a wrong key 401, with OpenAI's body of errors."""
    import openai  # noqa: PLC0415 - long to load, and each worker collects all tests

    for call in (client.batches.retrieve("batch_none"), client.files.content("file-none"), client.batches.cancel("x")):
        with pytest.raises(openai.NotFoundError):
            await call
    with pytest.raises(openai.BadRequestError) as raised:
        await client.batches.list(limit=101)
    assert raised.value.param == "limit"
    with pytest.raises(openai.BadRequestError):
        await client.batches.create(input_file_id="file-none", endpoint="/v1/responses", completion_window="24h")
    simulator.faults = Faults(parse("429:1"))
    with pytest.raises(openai.RateLimitError) as limited:
        await client.batches.list()
    assert (limited.value.code, limited.value.response.headers["retry-after"]) == ("rate_limit_exceeded", "1")
    simulator.faults = Faults()
    simulator._api_keys = ("right",)
    with pytest.raises(openai.AuthenticationError):
        await client.batches.list()


async def test_groq_lists_everything_without_pages(simulator, groq):
    """Below `/openai/v1`, with one list of all and no `has_more`, Groq's client submits, lists, cancels and reads."""
    simulator.faults = Faults(parse("no-paging:1"))
    uploaded = await groq.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await groq.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="7d", metadata={"simulate": "success"}
    )
    listed = await groq.batches.list()
    assert len(listed.data) == sum(plan.created <= BEGAN for plan in simulator.workspace.plans.values())
    assert listed.to_dict().keys() == {"object", "data"}
    simulator.clock.at += 1000
    batch = await groq.batches.retrieve(batch.id)
    content = await groq.files.content(batch.output_file_id)
    assert len([line for line in (await content.text()).splitlines() if line]) == 20
    second = await groq.batches.create(input_file_id=uploaded.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert (await groq.batches.cancel(second.id)).status == "cancelling"


async def test_pages_may_be_counted(simulator, client):
    """As llm-d's gateway has them: an ID is refused with a sentence that asks for an integer; our own reading finds all."""
    import openai  # noqa: PLC0415 - long to load, and each worker collects all tests

    simulator.faults = Faults(parse("counted-pages:1"))
    first = await client.batches.list(limit=100)
    with pytest.raises(openai.BadRequestError, match="integer"):
        await client.batches.list(limit=100, after=first.data[-1].id)
    async with http_client(tls_context()) as http:
        provider = our_client(http, simulator.url, "any", rate_limiter=RateLimiter(1000), deadline=5.0, now=lambda: 0)
        found, token = [], None
        while token is not None or not found:
            page = await provider.list_jobs(ListQuery(), token, 100)
            found += [job.id for job in page.jobs]
            token = page.next_token
    assert found == [shown(BATCH, plan.id) for plan in simulator.workspace.matching(Query(), BEGAN)]
    assert len(found) > 100


@pytest.mark.parametrize(
    ("quirk", "expected"),
    [
        ("empty-files", {"error_file_id": ""}),
        ("null-counts", {"request_counts": None}),
        ("null-times", {"in_progress_at": None, "completed_at": None}),
    ],
)
async def test_quirks_of_a_batch_are_shown(simulator, client, quirk, expected):
    """What OpenAI or a gateway is known to leave out is left out where it is asked for."""
    uploaded = await client.files.create(file=("requests.jsonl", LINES), purpose="batch")
    batch = await client.batches.create(
        input_file_id=uploaded.id, endpoint="/v1/responses", completion_window="24h", metadata={"simulate": f"success,{quirk}"}
    )
    simulator.clock.at += 1000
    batch = (await client.batches.retrieve(batch.id)).to_dict(mode="json")
    assert (batch["status"], expected.items() <= batch.items()) == ("completed", True)


@pytest.mark.parametrize("kind", ["no-has-more", "bare-list", "wrong-total", "ignored-page", "shift", "vanish", "bad-job"])
async def test_faults_of_lists_strike(simulator, client, kind):
    """Each fault changes what a list shows, and is counted."""
    simulator.faults = Faults(parse(f"{kind}:1"), seed=2)
    after = shown(BATCH, simulator.workspace.matching(Query(), BEGAN)[4].id)
    raw = client.batches.with_raw_response
    answer = json.loads((await raw.list(limit=5, after=after)).text)
    simulator.faults = Faults()
    honest = json.loads((await raw.list(limit=5, after=after)).text)
    assert answer != honest
    assert simulator.faulted == {kind: 1}


async def test_azures_header_is_a_key(simulator):
    """The key may come as `api-key`, as Azure wants it."""
    simulator._api_keys = ("right",)
    async with httpx.AsyncClient(base_url=simulator.url) as raw:
        codes = [
            (await raw.get("/openai/v1/batches", headers=headers)).status_code
            for headers in ({"api-key": "right"}, {"api-key": "wrong"}, {})
        ]
    assert codes == [200, 401, 401]


def test_ids_are_read_back():
    """Only an ID in the form of OpenAI's stands for one of the workspace."""
    id_ = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"
    assert parsed(BATCH, shown(BATCH, id_)) == id_
    for wrong in (id_, shown(FILE, id_), "batch_" + id_, "batch_", "batch_zz"):
        assert parsed(BATCH, wrong) is None

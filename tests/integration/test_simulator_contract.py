"""The simulator, held to Mistral's contract by the official client and the BatchJob schema."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import jsonschema
import pytest
from standing_clock import StandingClock

from tracker.server.embedded import open_server
from tracker.simulator.job_timeline import job_at
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Query, Workspace

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "batch_job.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
BEGAN = 1_795_478_400.0
STATUSES = set(SCHEMA["properties"]["status"]["enum"])
JOBS = 150


@pytest.fixture
async def simulator():
    """A simulated API with a few hundred jobs, on a clock of its own; `url` is where it is."""
    simulator = Simulator(
        Workspace(arrivals=Population(9).arrivals(JOBS, BEGAN)), StandingClock(BEGAN), population=Population(10)
    )
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        simulator.url = address.url
        yield simulator


@pytest.fixture
async def client(simulator):
    from mistralai.client import Mistral  # noqa: PLC0415 - long to load, and each worker collects all tests

    async with Mistral(api_key="any", server_url=simulator.url) as client:
        yield client.batch.jobs


@pytest.fixture
async def raw(simulator):
    async with httpx.AsyncClient(base_url=simulator.url, headers={"authorization": "Bearer any"}) as raw:
        yield raw


def expected(simulator, query):
    """The IDs that a query of the official client's lists, by what the plans say of themselves."""
    at = simulator.clock.at
    after = query["created_after"].timestamp() if "created_after" in query else -math.inf
    wanted = [
        plan
        for plan in simulator.workspace.plans.values()
        if after < plan.created <= at
        and ("status" not in query or job_at(plan, at).status in query["status"])
        and ("model" not in query or plan.model == query["model"])
        and ("agent_id" not in query or plan.agent_id == query["agent_id"])
        and all(plan.metadata[name] == value for name, value in query.get("metadata", {}).items())
        and (plan.mine or not query.get("created_by_me"))
    ]
    newest_first = query.get("order_by") != "created"
    return [plan.id for plan in sorted(wanted, key=lambda plan: plan.created, reverse=newest_first)]


async def every_id(client, **query):
    """The IDs that the official client lists over all pages."""
    ids, page = [], 0
    while True:
        answer = await client.list_async(page=page, page_size=37, **query)
        ids += [job.id for job in answer.data or []]
        if len(ids) >= answer.total or not answer.data:
            return ids
        page += 1


async def test_every_answer_validates_against_the_schema(simulator, raw):
    """Each job of each page, and each job got by its ID, is a BatchJob; all seven statuses are among them."""
    statuses = set()
    for at in range(0, 200, 8):
        simulator.clock.at = BEGAN + at
        for page in range(2):
            for job in (await raw.get("/v1/batch/jobs", params={"page": page})).json()["data"]:
                statuses.add(job["status"])
                if job["status"] in STATUSES:
                    VALIDATOR.validate(job)
        got = (await raw.get(f"/v1/batch/jobs/{job['id']}")).json()
        assert got == job
    assert statuses == STATUSES | {"VALIDATING"}, "all seven, and one that is undocumented"


async def test_schema_check_can_fail(raw):
    """The validation would tell a wrong type, a wrong format, and a status outside the schema."""
    job = (await raw.get("/v1/batch/jobs", params={"status": "SUCCESS"})).json()["data"][0]
    for wrong in ({"created_at": "today"}, {"id": "7"}, {"status": "DONE"}):
        assert not VALIDATOR.is_valid(job | wrong)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"status": ["RUNNING"]},
        {"status": ["QUEUED", "RUNNING", "CANCELLATION_REQUESTED"]},
        {"model": "codestral-latest"},
        {"metadata": {"team": "research"}},
        {"metadata": {"team": "research", "task": "labels"}},
        {"created_by_me": True},
        {"order_by": "created"},
        {"agent_id": "unknown"},
        {"created_after": datetime.fromtimestamp(BEGAN - 120, UTC)},
        {"created_after": datetime.fromtimestamp(BEGAN - 120, UTC).astimezone(datetime.now().astimezone().tzinfo)},
        {"status": ["FAILED"], "model": "mistral-small-latest", "order_by": "created"},
    ],
    ids=str,
)
async def test_official_client_lists_by_every_filter_over_all_pages(simulator, client, query):
    """What the official client collects page by page is what the plans say, in the order asked for."""
    simulator.workspace.get("", BEGAN)  # by then every job has come
    wanted = expected(simulator, query)
    assert await every_id(client, **query) == wanted
    assert bool(wanted) != ("agent_id" in query), "the filter lets some through, or none on purpose"


async def test_official_client_follows_a_job_through_its_life(simulator, client):
    """Created, got, run to its end with outputs, deleted, and then not found."""
    created = await client.create_async(
        endpoint="/v1/chat/completions",
        model="mistral-small-latest",
        requests=[{"custom_id": f"n{number}", "body": {"max_tokens": 8}} for number in range(12)],
        metadata={"team": "research", "simulate": "success"},
        timeout_hours=2,
    )
    assert (created.status, created.total_requests, created.created_at) == ("QUEUED", 0, int(BEGAN))
    assert created.metadata == {"team": "research", "simulate": "success"}
    seen = set()
    for _ in range(90):
        simulator.clock.at += 5
        job = await client.get_async(job_id=created.id)
        seen.add(job.status)
    assert seen == {"QUEUED", "RUNNING", "SUCCESS"}
    assert (job.total_requests, job.completed_requests, job.succeeded_requests, job.failed_requests) == (12, 12, 12, 0)
    assert job.completed_at > job.started_at >= job.created_at
    assert job.output_file
    assert job.outputs is None
    inline = await client.get_async(job_id=created.id, inline=True)
    assert [each["custom_id"] for each in inline.outputs] == [f"n{number}" for number in range(12)]
    assert (await client.delete_async(job_id=created.id)).deleted
    from mistralai.client import errors  # noqa: PLC0415 - as above

    for call in (client.get_async, client.cancel_async, client.delete_async):
        with pytest.raises(errors.SDKError) as refused:
            await call(job_id=created.id)
        assert refused.value.status_code == 404


@pytest.mark.parametrize(
    ("end", "status", "counters"),
    [
        ("success", "SUCCESS", (40, 0)),
        ("all_failed", "SUCCESS", (0, 40)),
        ("partial", "SUCCESS", None),
        ("failed", "FAILED", None),
        ("timeout_exceeded", "TIMEOUT_EXCEEDED", None),
    ],
)
async def test_job_ends_as_its_metadata_asks(simulator, client, end, status, counters):
    """`metadata.simulate` chooses how a created job ends."""
    created = await client.create_async(
        endpoint="/v1/embeddings", model="m", requests=[{"body": {}}] * 40, metadata={"simulate": end}
    )
    simulator.clock.at += 3600
    job = await client.get_async(job_id=created.id)
    assert job.status == status
    if counters:
        assert (job.succeeded_requests, job.failed_requests) == counters
    if end == "partial":
        assert 0 < job.failed_requests < 40
    if end == "failed":
        assert job.errors


async def test_cancelled_job_is_asked_first_and_cancelled_then(simulator, client):
    """A cancellation shows CANCELLATION_REQUESTED until it takes hold; one of a job that is over changes nothing."""
    job = await client.create_async(endpoint="/v1/ocr", model="m", input_files=["1a7b6b1e-0000-4000-8000-000000000000"])
    simulator.clock.at += 1
    assert (await client.cancel_async(job_id=job.id)).status == "CANCELLATION_REQUESTED"
    simulator.clock.at += 60
    cancelled = await client.get_async(job_id=job.id)
    assert (cancelled.status, cancelled.started_at) == ("CANCELLED", None)
    assert await client.cancel_async(job_id=job.id) == cancelled
    (over, *_) = expected(simulator, {"status": ["SUCCESS"]})
    assert (await client.cancel_async(job_id=over)).status == "SUCCESS"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "endpoint"),
        ({"endpoint": "/v1/ocr", "model": "m"}, "input_files"),
        ({"endpoint": "/v1/ocr", "model": "m", "input_files": ["a"], "requests": [{"body": {}}]}, "input_files"),
        ({"endpoint": "/v1/ocr", "input_files": ["a"]}, "model"),
        ({"endpoint": "/v1/ocr", "model": "m", "input_files": ["a"], "timeout_hours": 169}, "timeout_hours"),
        ({"endpoint": "/v1/ocr", "model": "m", "input_files": ["a"], "metadata": {"k" * 33: "v"}}, "metadata"),
        ({"endpoint": "/v1/ocr", "model": "m", "input_files": ["a"], "metadata": {"k": "v" * 513}}, "metadata"),
        ({"endpoint": "/v1/ocr", "model": "m", "input_files": ["a"], "metadata": {"simulate": "later"}}, "simulate"),
        ({"endpoint": "/v1/ocr", "model": "m", "requests": [{"body": {}}] * 10_001}, "requests"),
        ([], "object"),
    ],
)
async def test_bad_submission_is_422_and_says_what_is_wrong(simulator, raw, body, where):
    """What the API would refuse is refused, names the property, and creates nothing."""
    before = len(simulator.workspace.plans)
    answer = await raw.post("/v1/batch/jobs", json=body)
    assert answer.status_code == 422
    assert where in json.dumps(answer.json()["detail"])
    assert len(simulator.workspace.plans) == before


@pytest.mark.parametrize(
    "parameters",
    [{"page": "-1"}, {"page": "x"}, {"page_size": "0"}, {"page_size": "1001"}, {"order_by": "id"}, {"created_after": "today"},
     {"created_by_me": "perhaps"}, {"metadata": "x"}, {"metadata": "[]"}],
    ids=str,
)  # fmt: skip
async def test_bad_parameter_is_422_and_named(raw, parameters):
    """A list with a parameter that makes no sense is refused, with the parameter in its answer."""
    answer = await raw.get("/v1/batch/jobs", params=parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", *parameters]


async def test_pages_count_from_0_and_end(raw):
    """Pages are numbered from 0, each has its share, the last has the rest, and beyond there is nothing."""
    total = (await raw.get("/v1/batch/jobs")).json()["total"]
    sizes = [
        len((await raw.get("/v1/batch/jobs", params={"page": page, "page_size": 100})).json()["data"])
        for page in range(total // 100 + 2)
    ]
    assert sizes == [100] * (total // 100) + [total % 100, 0]


async def test_key_is_asked_for(simulator):
    """Without a bearer key, or with one that is not among those given, every call is 401."""
    simulator._api_keys = ("right",)
    async with httpx.AsyncClient(base_url=simulator.url) as raw:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic right"}, {"authorization": "Bearer"}):
            assert (await raw.get("/v1/batch/jobs", headers=headers)).status_code == 401
        assert (await raw.get("/v1/batch/jobs", headers={"authorization": "Bearer right"})).status_code == 200


def test_same_seed_is_the_same_world():
    """Two worlds of one seed have the same jobs at the same distance from their beginning; another seed has others."""

    def states(seed, began):
        workspace = Workspace(arrivals=Population(seed, speed=5).arrivals(30, began))
        jobs = [job_at(plan, began + 20) for plan in workspace.matching(Query(), began + 20)]
        return [(job.id, job.status, job.completed_requests) for job in jobs]

    first = states(1, BEGAN)
    assert first == states(1, BEGAN + timedelta(days=3).total_seconds())
    assert {job[0] for job in first}.isdisjoint(job[0] for job in states(2, BEGAN))


@pytest.mark.parametrize("speed", [1.0, 50.0])
def test_as_many_jobs_are_under_way_as_asked_for(speed):
    """Whatever the speed, about the configured number of jobs is active at any time, and they go on coming."""
    workspace = Workspace(arrivals=Population(5, speed).arrivals(40, BEGAN))
    active = [
        len(workspace.matching(Query(statuses=("QUEUED", "RUNNING", "CANCELLATION_REQUESTED")), BEGAN + step * 50 / speed))
        for step in range(20)
    ]
    assert 30 < sum(active) / len(active) < 50
    assert len(workspace.plans) > 200

"""The result files of simulated jobs: their lines agree with the job's counters and errors, in every documented shape."""

import json
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from file_worlds import BEGAN, ENDED, content, lines, plan
from mistralai.client import Mistral, models
from mistralai.extra.batch import BatchClient, BatchInput, BatchOutput
from tracking import simulated

from tracker.core.results.file_analysis import Analyzer, summarize
from tracker.simulator.failed_result_lines import FAILURES, failure
from tracker.simulator.files.job_files import content_of
from tracker.simulator.job_timeline import job_at
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Query, Workspace

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "result_line.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
BODIES = {
    "/v1/chat/completions": models.ChatCompletionResponse,
    "/v1/fim/completions": models.FIMCompletionResponse,
    "/v1/embeddings": models.EmbeddingResponse,
    "/v1/moderations": models.ModerationResponse,
    "/v1/chat/moderations": models.ModerationResponse,
    "/v1/ocr": models.OCRResponse,
    "/v1/classifications": models.ClassificationResponse,
    "/v1/chat/classifications": models.ClassificationResponse,
    "/v1/conversations": models.ConversationResponse,
    "/v1/audio/transcriptions": models.TranscriptionResponse,
}
EVERY = {"every_failure": True, "requests": 60, "failures": 2 * len(FAILURES)}


def is_failed(line):
    response = line.get("response")
    return line.get("error") is not None or response is None or response["status_code"] >= 400


def message(line):
    """Why a line failed, as a reader finds it who knows all shapes."""
    error, body = line.get("error"), (line.get("response") or {}).get("body") or {}
    if error is not None:
        return error if isinstance(error, str) else error["message"]
    if "detail" in body:
        return body["detail"][0]["msg"]
    return body.get("message") or body.get("error", {}).get("message") or f"HTTP {line['response']['status_code']}"


def results(plan, at=BEGAN):
    """The lines of both files of the job, of those that it has."""
    job = job_at(plan, at)
    kinds = {"output": job.output_file, "error": job.error_file}
    return {kind: lines(content(plan, kind)) if file_id else [] for kind, file_id in kinds.items()}


def check(plan, at):
    """The lines are those that the job's counters and errors say."""
    job, found = job_at(plan, at), results(plan, at)
    every = [line for kind in ("output", "error") for line in found[kind]]
    for line in every[:: 1 + len(every) // 50]:
        VALIDATOR.validate(line)
    failed = [line for line in every if is_failed(line)]
    assert len(every) == job.completed_requests
    assert len(failed) == job.failed_requests
    assert not [line for line in found["error"] if not is_failed(line)]
    assert Counter({each["message"]: each["count"] for each in job.errors}) == Counter(map(message, failed)) + Counter(
        {plan.failure: 1} if job.status == "FAILED" else {}
    )
    assert len({line["id"] for line in every}) == len(every)
    return job


def test_files_of_a_population_agree_with_counters_and_errors():
    """In each ended job the lines of both files are the completed requests, the failed ones those of its errors."""
    workspace = Workspace(arrivals=Population(3).arrivals(30, BEGAN))
    statuses = Counter()
    for each in workspace.matching(Query(), BEGAN):
        if each.ended <= BEGAN and each.requests <= 400:
            job = check(each, BEGAN)
            statuses[job.status] += 1
            assert job.status != "SUCCESS" or job.completed_requests == job.total_requests
    assert set(statuses) == {"SUCCESS", "FAILED", "TIMEOUT_EXCEEDED", "CANCELLED"}


@pytest.mark.parametrize(
    ("changes", "succeeded", "failed"),
    [
        ({}, 30, 10),
        ({"failures": 0}, 40, 0),
        ({"failures": 40}, 0, 40),
        ({"failures": 1}, 39, 1),
        ({"requests": 1, "failures": 1}, 0, 1),
        ({"requests": 1, "failures": 0}, 1, 0),
        ({"requests": 0, "failures": 0}, 0, 0),
        ({"timeout": 5.5}, 15, 5),
        ({"fails_after": 5.5}, 15, 5),
        ({"cancel_at": ENDED.created + 5.5}, 15, 5),
        ({"total_falls_after": 1.0}, 30, 9),
        ({"settling": 2.0}, 30, 10),
    ],
    ids=str,
)
def test_job_that_ends_in_any_way_has_its_lines(changes, succeeded, failed):
    """A success, a partial one, one without successes, and those that were cut short have just the lines of their counters."""
    job = check(plan(**changes), BEGAN)
    assert (job.succeeded_requests, job.failed_requests) == (succeeded, failed)
    assert ((job.output_file is not None), (job.error_file is not None)) == (succeeded > 0, failed > 0)


@pytest.mark.parametrize("endpoint", [*BODIES, "/v1/unknown"])
def test_product_reads_what_the_counters_say(endpoint):
    """The product's own reader finds every line, each failed one, its reason and the usage, as the job has them."""
    job_plan = plan(endpoint=endpoint, **EVERY)
    job, files = job_at(job_plan, BEGAN), []
    for kind in ("output", "error"):
        analyzer = Analyzer(job.model)
        analyzer.feed(content(job_plan, kind))
        files.append(analyzer.finish())
    digest, usage = summarize(job, files)
    assert (digest.failed, digest.unreadable, digest.mismatch, digest.job_errors) == (22, 0, None, ())
    assert sum(group.count for group in digest.groups) + digest.other == 22
    assert [file.lines for file in files] == [content_of(job_plan, kind).lines for kind in ("output", "error")]
    bodies = [line["response"]["body"] for line in results(job_plan)["output"] if not is_failed(line)]
    total = sum(body["usage"]["total_tokens"] for body in bodies if "usage" in body)
    pages = sum(body["usage_info"]["pages_processed"] for body in bodies if "usage_info" in body)
    assert (usage.total.requests, usage.total.total_tokens, usage.total.pages) == (38, total, pages)


def test_every_shape_of_a_failure_occurs():
    """String and object errors, bodies with a message, a nested one, details or none, no response, and null or absent IDs."""
    failed = [line for lines in results(plan(**EVERY)).values() for line in lines if is_failed(line)]
    check(plan(**EVERY), BEGAN)
    assert {message(line) for line in failed} == {each.message for each in FAILURES}
    shapes = {
        "string error": [line for line in failed if isinstance(line.get("error"), str)],
        "error with code": [line for line in failed if isinstance(line.get("error"), dict) and "code" in line["error"]],
        "error without code": [line for line in failed if isinstance(line.get("error"), dict) and "code" not in line["error"]],
        "body.message": [line for line in failed if "message" in ((line.get("response") or {}).get("body") or {})],
        "body.error.message": [line for line in failed if "error" in ((line.get("response") or {}).get("body") or {})],
        "detail": [line for line in failed if "detail" in ((line.get("response") or {}).get("body") or {})],
        "no body": [line for line in failed if line.get("response") and line["response"]["body"] is None],
        "null response": [line for line in failed if "response" in line and line["response"] is None],
        "no response": [line for line in failed if "response" not in line],
        "null ID": [line for line in failed if "custom_id" in line and line["custom_id"] is None],
        "no ID": [line for line in failed if "custom_id" not in line],
        "no error": [line for line in failed if "error" not in line],
    }
    assert [name for name, found in shapes.items() if not found] == []


def test_failed_lines_stand_in_the_output_file_too():
    """One failure in eight is in the output file, unless no request succeeded: then there is no output file."""
    assert sum(map(is_failed, results(plan(requests=80, failures=40))["output"])) == 5
    none = plan(requests=80, failures=80)
    assert job_at(none, BEGAN).output_file is None
    assert len(results(none)["error"]) == 80


def test_job_fails_in_few_ways_and_jobs_in_all():
    """A job's errors are few, the first one the most frequent; those of many jobs are of every kind."""
    found = [[failure(plan(number).id, each).message for each in range(16)] for number in range(100)]
    assert all(len(set(messages)) <= 3 for messages in found)
    assert {message for messages in found for message in messages} == {each.message for each in FAILURES}


def test_lines_are_not_in_the_order_of_the_input_and_each_has_its_id():
    """Each request of the input has one line, with the ID that the client gave; the order is another one."""
    names = tuple(f'name {number} ü"' for number in range(40))
    found = results(plan(failures=0, custom_ids=names))["output"]
    assert [line["custom_id"] for line in found] != list(names)
    assert sorted(line["custom_id"] for line in found) == sorted(names)
    assert all(line["custom_id"] == names[int(line["id"].split("-")[2]) - 1] for line in found)


def test_files_end_with_a_line_end_without_or_with_a_blank_line():
    """All three ways occur."""
    ends = {content(plan(number), "output")[-2:] for number in range(20)}
    assert ends == {b"}\n", b"l}", b"\n\n"}


@pytest.mark.parametrize(("endpoint", "model"), BODIES.items(), ids=str)
def test_official_client_reads_every_body(endpoint, model):
    """The official client's model of each endpoint's answer takes each body, and its reader finds what the counters say."""
    job = plan(endpoint=endpoint, model="some-model", requests=100, failures=10)
    output, error = (BatchOutput.from_jsonl_bytes(content(job, kind), model) for kind in ("output", "error"))
    assert len(output.responses) == 90
    assert len(output.request_errors) + len(error.request_errors) == 10
    assert not output.response_errors + error.response_errors
    assert not error.responses


def test_usage_is_counted_per_line():
    """Each answer of a chat has tokens that add up, each of OCR its pages, and embeddings have no completion tokens."""
    usages = [line["response"]["body"]["usage"] for line in results(plan(failures=0))["output"]]
    assert all(each["prompt_tokens"] + each["completion_tokens"] == each["total_tokens"] > 0 for each in usages)
    pages = [line["response"]["body"] for line in results(plan(failures=0, endpoint="/v1/ocr"))["output"]]
    assert all(each["usage_info"]["pages_processed"] == len(each["pages"]) and "usage" not in each for each in pages)
    vectors = [line["response"]["body"] for line in results(plan(failures=0, endpoint="/v1/embeddings"))["output"]]
    assert all(each["usage"]["completion_tokens"] == 0 and each["data"][0]["embedding"] for each in vectors)


def test_answers_have_the_length_that_is_asked_for():
    """With `answer_length` each text has at least that number of characters."""
    found = results(plan(failures=0, answer_length=3000))["output"]
    assert min(len(line["response"]["body"]["choices"][0]["message"]["content"]) for line in found) >= 3000


@pytest.mark.parametrize("kind", ["output", "error", "input"])
def test_same_job_has_the_same_files(kind):
    """The content follows from the job alone; another job has another."""
    assert content(plan(1), kind) == content(plan(1), kind)
    assert kind == "input" or content(plan(1), kind) != content(plan(2), kind)
    measured = content_of(plan(1), kind)
    assert (measured.size, measured.lines) == (len(content(plan(1), kind)), len(lines(content(plan(1), kind))))


@pytest.mark.parametrize("endpoint", BODIES)
def test_input_file_has_the_requests(endpoint):
    """The input file of a job, where it was not uploaded, has its requests in order, each with an ID and a body."""
    found = lines(content(plan(endpoint=endpoint), "input"))
    assert [line["custom_id"] for line in found] == [str(number) for number in range(40)]
    assert all(line["body"] for line in found)


@pytest.mark.parametrize(("requests", "metadata"), [(5, "success"), (1200, "partial"), (30, "all_failed")])
async def test_official_batch_client_runs_from_upload_to_results(requests, metadata):
    """`BatchClient.run` uploads or sends inline, waits, reads all results, and deletes every file after that."""
    payload = {
        f"id-{number}": models.ChatCompletionRequest(model="m", messages=[{"role": "user", "content": "?"}])
        for number in range(requests)
    }
    async with simulated(speed=500) as simulator, Mistral(api_key="any", server_url=simulator.url) as client:
        batch = BatchClient(client, endpoint="/v1/chat/completions", response_body_type=models.ChatCompletionResponse)
        result = await batch.run(
            BatchInput.from_payload(payload), model="m", metadata={"simulate": metadata}, poll_interval_seconds=0.05
        )
        assert (await client.files.list_async()).total == 0, "it has deleted them all"
        assert simulator.requests["files.upload"] == (requests > 1000)
        assert simulator.requests["files.delete"] >= (2 if metadata == "partial" else 1)
    assert (result.status, result.succeeded + result.failed) == ("SUCCESS", requests)
    assert len(result.by_id()) == result.succeeded
    assert len(result.errors()) == result.failed
    named = {error.custom_id for error in result.errors() if error.custom_id}
    assert set(result.by_id()) | named <= set(payload)
    assert (result.succeeded == requests) == (metadata == "success")


async def test_official_batch_client_streams_results():
    """`stream_results` yields each request once, and a signed link of the client shows the output."""
    async with simulated(speed=500) as simulator, Mistral(api_key="any", server_url=simulator.url) as client:
        batch = BatchClient(client, endpoint="/v1/embeddings", response_body_type=models.EmbeddingResponse)
        source = await batch.upload(BatchInput.from_jsonl_str('{"custom_id": "a", "body": {}}\n{"custom_id": "b", "body": {}}'))
        handle = await batch.create(source, model="m", metadata={"simulate": "success"})
        handle = await batch.wait(handle, poll_interval_seconds=0.05)
        found = [
            custom_id async for custom_id, item in batch.stream_results(handle) if isinstance(item, models.EmbeddingResponse)
        ]
        assert sorted(found) == ["a", "b"]
        assert (await batch.signed_url(handle.job.output_file)).startswith(simulator.url)

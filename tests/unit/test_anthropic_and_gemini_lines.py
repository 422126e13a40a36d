"""Result lines of Anthropic and Gemini, counted as all are."""

import json

import msgspec
import pytest
from core_samples import job

from tracker.core.results.anthropic_and_gemini_lines import in_usual_shape
from tracker.core.results.file_analysis import Analyzer, summarize
from tracker.core.results.result_line import Line
from tracker.core.results.usage import ModelUsage
from tracker.simulator.random_job_plans import Population
from tracker.simulator.vendors.anthropic import result_lines as anthropic_lines
from tracker.simulator.vendors.anthropic.batch_objects import end_counts
from tracker.simulator.vendors.gemini import result_lines as gemini_lines

USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 85, "output_tokens": 7}
METADATA = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 110,
    "cachedContentTokenCount": 85,
}


def anthropic(result, custom_id="r1"):
    return {"custom_id": custom_id, "result": result}


def succeeded(usage=USAGE, **more):
    return anthropic({"type": "succeeded", "message": {"type": "message", "model": "claude", "usage": usage, **more}})


def gemini(**parts):
    return {"key": "r1"} | parts


def analyzed(*lines):
    analyzer = Analyzer("job-model")
    analyzer.feed(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return summarize(job(succeeded_requests=1, failed_requests=0), [analyzer.finish()])


CLAUDE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "cached_tokens": 85}
GEMINI = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110, "cached_tokens": 85}


@pytest.mark.parametrize(
    ("line", "model", "amounts"),
    [
        (succeeded(), "claude", CLAUDE),
        (succeeded(usage=None), "claude", {}),
        (anthropic({"type": "succeeded"}), "job-model", {}),
        (succeeded(usage={"input_tokens": 3, "output_tokens": None}), "claude", {"prompt_tokens": 3, "total_tokens": 3}),
        (gemini(response={"modelVersion": "gemini", "usageMetadata": METADATA}), "gemini", GEMINI),
        (gemini(response={"embedding": {"values": [0.5]}}), "job-model", {}),
        ({"response": {"usageMetadata": METADATA}}, "job-model", GEMINI),
    ],
)
def test_requests_that_succeeded(line, model, amounts):
    """Each counts with its model and its tokens: a cache's are of the prompt, thoughts of the answer."""
    digest, usage = analyzed(line)
    assert (digest.failed, digest.mismatch) == (0, None)
    assert usage.by_model == {model: ModelUsage(requests=1, **amounts)}


ERROR = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: required"}, "request_id": None}


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (anthropic({"type": "errored", "error": ERROR}), "invalid_request_error", "messages: required"),
        (anthropic({"type": "errored", "error": ERROR["error"]}), "invalid_request_error", "messages: required"),
        (anthropic({"type": "errored"}), "errored", "an error without a message"),
        (anthropic({"type": "canceled"}), "canceled", "The request was canceled"),
        (anthropic({"type": "expired"}), "expired", "The request expired"),
        (anthropic({"type": "postponed"}), "postponed", "a result of type postponed"),
        (anthropic({}), None, "a result of type None"),
        (gemini(error={"code": 3, "message": "Bad contents"}), "3", "Bad contents"),
        (gemini(status={"code": 8, "message": "Quota"}), "8", "Quota"),
        (gemini(), None, "no response"),
        (gemini(response={"usageMetadata": METADATA}, error={"code": 13, "message": "Internal"}), "13", "Internal"),
    ],
)
def test_requests_that_failed(line, code, message):
    """Each has its ID, a code and a message, the same words for the same failure."""
    digest, usage = analyzed(line)
    assert [(each.code, each.message, each.custom_ids) for each in digest.groups] == [(code, message, ("r1",))]
    assert usage.total == ModelUsage()


@pytest.mark.parametrize(
    "line",
    [
        succeeded(usage=USAGE | {"output_tokens": "many"}),
        anthropic({"type": "succeeded", "message": 7}, custom_id=7),
        gemini(response={"usageMetadata": {"promptTokenCount": -1}}),
        gemini(response={"usageMetadata": 7}) | {"key": 7},
    ],
)
def test_a_part_of_another_type_costs_only_itself(line):
    """The request has succeeded, with whatever can be read of it."""
    digest, usage = analyzed(line)
    assert (digest.failed, usage.total.requests) == (0, 1)


@pytest.mark.parametrize(
    "line", [{"custom_id": "a"}, {"custom_id": "a", "response": {"body": {}}}, {"error": "x", "status": 7}]
)
def test_other_lines_are_not_changed(line):
    usual = msgspec.convert(line, Line)
    assert in_usual_shape(usual) is usual
    assert in_usual_shape(in_usual_shape(usual)) is usual


@pytest.mark.parametrize("end", ["partial", "all_failed", "timeout_exceeded", "mixed-end"])
def test_results_of_a_simulated_batch_add_up(end):
    """The lines of each vendor are as many, and as many failed, as the job's counters say."""
    plan = Population(3).plan(0.0, end, requests=50)
    digest, usage = _summary(plan, anthropic_lines.result_lines, 50, end_counts(plan).succeeded)
    assert usage.total.requests == end_counts(plan).succeeded
    if end in ("partial", "all_failed"):
        digest, usage = _summary(plan, gemini_lines.result_lines, 50, 50 - plan.failures)
        assert usage.total.requests == 50 - plan.failures
        assert digest.groups


def _summary(plan, lines, total, succeeded_):
    analyzer = Analyzer(plan.model)
    analyzer.feed(b"".join(lines(plan)))
    counters = {"total_requests": total, "succeeded_requests": succeeded_, "failed_requests": total - succeeded_}
    digest, usage = summarize(job(**counters), [analyzer.finish()])
    assert (digest.mismatch, digest.unreadable) == (None, 0)
    return digest, usage

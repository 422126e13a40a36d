"""Pages and jobs of a vendor whose objects are mapped one by one."""

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import MalformedJob
from tracker.http.client import Answer
from tracker.providers.gemini.job_mapping import read_operation
from tracker.providers.requests.mapped_jobs import read_page, read_requested

ANSWER = Answer(200, {}, b'{"name": "batches/1"}')


def too_deep(_found):
    raise RecursionError


def test_an_object_that_is_nested_too_deeply_costs_only_itself():
    """It is malformed, and the rest of its page is read."""
    entries = [{"name": "batches/1"}, {"name": "batches/2"}]
    mapping = lambda found: too_deep(found) if found["name"] == "batches/1" else read_operation(found)  # noqa: E731
    page = read_page(ANSWER, {"operations": entries}, "operations", mapping, None)
    assert [job.id for job in page.jobs] == ["batches/2"]
    assert page.malformed == (MalformedJob(None, "it is nested too deeply"),)


def test_a_requested_object_that_is_nested_too_deeply_is_a_failure():
    """There is no ID to know it by."""
    failure = read_requested(ANSWER, "batches/1", too_deep)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.MALFORMED


def test_results_of_any_depth_are_read():
    """As deep as JSON can be decoded at all, an operation with inlined results is read."""
    for depth in (60, 200, 400):
        nested = [0]
        for _ in range(depth):
            nested = [nested]
        operation = {"name": "batches/1", "metadata": {"output": {"inlinedResponses": nested}}}
        page = read_page(ANSWER, {"operations": [operation]}, "operations", read_operation, None)
        assert len(page) == 1

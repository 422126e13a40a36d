"""Why requests of a job failed, as sentences: the digest goes first, the job's own errors stand in for it."""

import pytest

from tracker.core.results.error_sentences import frequent_errors, group_message, group_sample, group_sentence

JOB = {
    "status": "SUCCESS",
    "total_requests": 100,
    "errors": [{"message": "too long", "count": 8}, {"message": "rate limited", "count": 12}],
}


def group(message="slow down", count=1, **more):
    return {"status": None, "code": None, "message": message, "count": count, "custom_ids": [], "sample": None} | more


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (group(), "1 request: slow down"),
        (group(count=1200, status=429, code="rate_limited"), "1,200 requests: slow down (HTTP 429, rate_limited)"),
        (group(count=2, status=429, code="429"), "2 requests: slow down (HTTP 429)"),
        (group(count=2, code="busy"), "2 requests: slow down (busy)"),
        (group("HTTP #", status=503), "1 request: HTTP 503"),
        (group("HTTP #", status=503, code="down"), "1 request: HTTP 503 (down)"),
        (group("a\x1b[2J\nb\u202e"), "1 request: a[2J b"),
        (group("x" * 1000), "1 request: " + "x" * 288 + "…"),
    ],
)
def test_a_group_is_one_printable_line(found, sentence):
    """Count, message, status and code, each once; nothing in it acts on a terminal, and it is bounded."""
    assert group_sentence(found) == sentence


@pytest.mark.parametrize(
    ("found", "sample"),
    [
        (group("wait # s", sample="wait 17 s"), "wait 17 s"),
        (group(sample="slow down"), None),
        (group(), None),
        (group("HTTP #", status=503, sample="HTTP 503"), None),
        (group("HTTP #", status=503, sample="HTTP 5"), "HTTP 5"),
    ],
)
def test_a_sample_that_adds_nothing_is_not_shown(found, sample):
    """It is shown where it differs from the message, and from the status that stands for a message."""
    assert group_sample(found) == sample


@pytest.mark.parametrize("status", [503, None])
def test_a_status_stands_for_a_message_that_is_nothing_else(status):
    """Where the status is known, `HTTP #` is not shown."""
    assert group_message(group("HTTP #", status=status)) == ("HTTP 503" if status else "HTTP #", [])


def test_the_digest_goes_before_the_errors_of_the_job():
    """The most frequent groups are named, then errors of the job that no group has; the others are counted."""
    digest = {"groups": [group(str(number), 9 - number) for number in range(2)], "groups_omitted": 5, "job_errors": ["x", "y"]}
    assert frequent_errors(JOB, digest) == ["9 requests: 0", "8 requests: 1", "x", "and 6 other errors"]
    assert frequent_errors(JOB, digest, 4)[-2:] == ["y", "and 5 other errors"]
    assert frequent_errors(JOB, digest | {"groups_omitted": 0}, 3)[-1] == "and 1 other error"


@pytest.mark.parametrize("digest", [None, {"groups": [], "groups_omitted": 0, "job_errors": []}])
def test_without_a_digest_the_job_says_why(digest):
    """The errors of the job, the most frequent first, where no result file says more."""
    assert frequent_errors(JOB, digest) == ["12 requests: rate limited", "8 requests: too long"]
    assert frequent_errors(JOB, digest, 1) == ["12 requests: rate limited", "and 1 other error"]
    assert frequent_errors({}, digest) == []

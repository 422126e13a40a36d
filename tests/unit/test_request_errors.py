"""A job's errors as sentences, whatever shape the API gives them."""

import pytest

from tracker.core.jobs.request_errors import LONGEST_SENTENCE, error_sentences, error_summary


def failed(errors, total=1000, **more):
    return {"id": "job-1", "status": "FAILED", "total_requests": total, "errors": errors, **more}


@pytest.mark.parametrize(
    ("errors", "sentences"),
    [
        pytest.param([{"message": "rate limited", "count": 12}], ["12 requests: rate limited"], id="as-the-api-sends-it"),
        pytest.param([{"message": "rate limited", "count": 1}], ["1 request: rate limited"], id="one"),
        pytest.param([{"message": "again", "count": 1200}], ["1,200 times: again"], id="more-than-there-are-requests"),
        pytest.param([{"message": "a", "count": 1}, {"message": "b", "count": 3}], ["3 requests: b", "1 request: a"], id="two"),
        pytest.param([{"message": "a", "count": 3.0}], ["3 requests: a"], id="count-with-a-decimal-point"),
        pytest.param([{"message": "a"}, "b", {"count": 3, "message": "c"}], ["3 requests: c", "a", "b"], id="without-a-count"),
        *(
            pytest.param([{"message": "a", "count": count}], ["a"], id=f"count-{count}")
            for count in ("many", None, True, -1, 0, 1.5, float("nan"), 2**70, [])
        ),
        pytest.param("broken", ["broken"], id="a-text"),
        pytest.param({"message": "broken", "count": 2}, ["2 requests: broken"], id="an-object"),
        pytest.param({"object": "list", "data": [{"code": "x", "line": 3}]}, ["code: x, line: 3"], id="an-object-with-a-list"),
        pytest.param([{"error": {"message": "deep", "code": 3}}], ["deep"], id="a-message-in-an-error"),
        pytest.param([{"message": '{"detail": "inner", "x": 1}', "count": 2}], ["2 requests: inner"], id="json-as-a-message"),
        pytest.param([{"message": '{"detail": '}], ['{"detail":'], id="not-quite-json"),
        pytest.param([{"message": "a\n  b\u202ec\x1b[31m\u2028d", "count": 2}], ["2 requests: a bc[31m d"], id="one-line"),
        pytest.param([{"message": "\x00"}], ["an error without a message"], id="nothing-printable"),
        pytest.param([{"count": 4}], ["4 requests: an error without a message"], id="no-message"),
        pytest.param([None, "", {}, []], [], id="empty-ones"),
        pytest.param([[1, 2], 7, True], ["[1, 2]", "7", "true"], id="other-values"),
        pytest.param({"omitted_bytes": 12345}, ["12,345 bytes of errors, too many to keep"], id="omitted"),
        *(pytest.param(nothing, [], id=f"nothing-{nothing}") for nothing in (None, [], {}, "")),
    ],
)  # fmt: skip
def test_errors_are_sentences_with_counts(errors, sentences):
    """Each error is a line for people, the most frequent first, however the API wrote it."""
    assert error_sentences(failed(errors)) == sentences


def test_error_of_a_job_without_requests_counts_none():
    """An input file that is refused has an error, counted once, and no request."""
    assert error_sentences(failed([{"message": "invalid file", "count": 1}], total=0)) == ["invalid file"]
    assert error_sentences({"errors": [{"message": "invalid file", "count": 1}]}) == ["invalid file"]


def test_other_errors_are_counted():
    """Those that are not named, and those that the job no longer has, are one more line."""
    errors = [{"message": f"error {number}", "count": 100 - number} for number in range(5)]
    assert error_sentences(failed(errors), most=4)[-2:] == ["97 requests: error 3", "and 1 other error"]
    assert error_sentences(failed(errors, errors_omitted=4980))[-1] == "and 4,980 other errors"
    assert error_sentences(failed(errors, errors_omitted=4980), most=2)[-1] == "and 4,983 other errors"
    assert error_sentences(failed(errors, errors_omitted="few"))[-1] == "96 requests: error 4"


def test_summary_is_one_line_that_fits():
    """It names as many errors as fit, at least one, which is cut, and says how many others there are."""
    errors = [{"message": name * 20, "count": 3} for name in "abcd"]
    assert error_summary(failed(errors), 60) == f"3 requests: {'a' * 20}; and 3 other errors"
    assert error_summary(failed(errors), 90) == f"3 requests: {'a' * 20}; 3 requests: {'b' * 20}; and 2 other errors"
    assert error_summary(failed(errors), 20) == "3 requests: aaaaaaa…"
    assert error_summary(failed(errors[:2]), 200) == f"3 requests: {'a' * 20}; 3 requests: {'b' * 20}"
    assert error_summary(failed(None)) == ""
    assert error_summary({}) == ""


def test_what_is_huge_is_cut():
    """Neither a long message, nor a deep one, nor very many of them make a long text."""
    deep = {"message": "bottom"}
    for _ in range(60):
        deep = {"error": deep}
    errors = [{"message": "x" * 1_000_000, "count": 5000}, deep, *({"message": str(number)} for number in range(5000))]
    sentences = error_sentences(failed(errors))
    assert max(map(len, sentences)) <= LONGEST_SENTENCE
    assert sentences[0].endswith("x…")
    assert len(sentences) == 21
    assert len(error_summary(failed(errors))) <= 200
    assert error_sentences(failed('{"a":' * 600))[0].startswith('{"a":{"a":')

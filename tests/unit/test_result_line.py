"""One line of a result file, in every documented shape and in hostile ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_lines import CHAT, MODEL, line, page, response, success

from tracker.core.results.result_line import LONGEST_LINE, ResultLine, TokenDetails, TokenUsage, UnreadableLine, parse_line

NO_MESSAGE = "an error without a message"
DEEP = b"[" * 100_000 + b"]" * 100_000
UNPROCESSABLE = {"detail": [{"loc": ["body", "model"], "msg": "Field required", "type": "missing"}]}
EMBEDDING = {"model": "mistral-embed", "data": [], "usage": CHAT | {"request_count": None, "prompt_audio_seconds": None}}


def read(raw):
    """The custom_id, status, code and message of a line."""
    found = parse_line(raw)
    assert isinstance(found, ResultLine), found
    return found[:4]


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param(success("a"), ResultLine("a", 200, None, None, MODEL, TokenUsage(12, 30, 42)), id="chat"),
        pytest.param(
            line("a", response(EMBEDDING)),
            ResultLine("a", 200, None, None, "mistral-embed", TokenUsage(12, 30, 42)),
            id="embeddings",
        ),
        pytest.param(
            line("a", response({"usage": CHAT | {"prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 0}}})),
            ResultLine("a", 200, None, None, None, TokenUsage(12, 30, 42, prompt_tokens_details=TokenDetails(5))),
            id="openai-chat",
        ),
        pytest.param(
            line("a", response({"usage": {"input_tokens": 7, "output_tokens": 8, "input_tokens_details": None}})),
            ResultLine("a", 200, None, None, None, TokenUsage(input_tokens=7, output_tokens=8)),
            id="openai-responses",
        ),
        pytest.param(page("a"), ResultLine("a", 200, None, None, "mistral-ocr-latest", None, 3), id="ocr"),
        pytest.param(line("a", response({})), ResultLine("a", 200, None, None), id="no-usage"),
        pytest.param(line("a", response(None)), ResultLine("a", 200, None, None), id="no-body"),
        pytest.param(line("a", {"body": {"model": "m"}}), ResultLine("a", None, None, None, "m"), id="no-status"),
        pytest.param(line("a", response({}), error=""), ResultLine("a", 200, None, None), id="empty-error"),
        pytest.param(line("a", response({}), error={}), ResultLine("a", 200, None, None), id="empty-error-object"),
    ],
)
def test_successes(raw, found):
    """A line of a request that succeeded gives its model and its usage, whatever the endpoint."""
    assert parse_line(raw) == found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param(line("a", error="rate limited"), ("a", None, None, "rate limited"), id="error-text"),
        pytest.param(line("a", error={"code": 429, "message": "slow"}), ("a", None, "429", "slow"), id="error-object"),
        pytest.param(line("a", error={"message": "slow", "type": "x"}), ("a", None, "x", "slow"), id="error-type"),
        pytest.param(line("a", error={"code": "x"}), ("a", None, "x", NO_MESSAGE), id="error-without-message"),
        pytest.param(line("a", error={"code": True, "type": 0, "message": "m"}), ("a", None, None, "m"), id="odd-code"),
        pytest.param(line("a", response({}), error="odd"), ("a", 200, None, "odd"), id="error-beside-a-response"),
        pytest.param(
            line("a", response({"object": "error", "message": "bad", "type": "t", "param": None, "code": "1300"}, 400)),
            ("a", 400, "1300", "bad"),
            id="body-message",
        ),
        pytest.param(
            line("a", response({"object": "error", "message": UNPROCESSABLE, "type": "t", "code": None}, 422)),
            ("a", 422, "t", "Field required"),
            id="body-message-with-detail",
        ),
        pytest.param(
            line("a", response({"error": {"message": "bad", "code": "c"}}, 500)),
            ("a", 500, "c", "bad"),
            id="body-error-message",
        ),
        pytest.param(line("a", response({"error": "bad"}, 500)), ("a", 500, None, "bad"), id="body-error-text"),
        pytest.param(line("a", response(UNPROCESSABLE, 422)), ("a", 422, None, "Field required"), id="body-detail"),
        pytest.param(line("a", response({"detail": "bad"}, 401)), ("a", 401, None, "bad"), id="body-detail-text"),
        pytest.param(line("a", response({}, 503)), ("a", 503, None, "HTTP 503"), id="empty-body"),
        pytest.param(line("a", response(None, 503)), ("a", 503, None, "HTTP 503"), id="no-body"),
        pytest.param(line("a", response("Bad gateway", 502)), ("a", 502, None, "Bad gateway"), id="body-text"),
        pytest.param(
            line("a", response("<html><title>502  Bad</title></html>", 502)),
            ("a", 502, None, "an HTML page titled 502 Bad"),
            id="body-html",
        ),
        pytest.param(line("a"), ("a", None, None, "no response"), id="response-null"),
        pytest.param(b'{"custom_id": "a"}', ("a", None, None, "no response"), id="nothing-else"),
        pytest.param(line("a", {}), ("a", None, None, NO_MESSAGE), id="response-empty"),
        pytest.param(line("a", "broken"), ("a", None, None, "broken"), id="response-text"),
        pytest.param(line(None, error="x"), (None, None, None, "x"), id="no-custom-id"),
        pytest.param(line("a", error='{"message": "inner"}'), ("a", None, None, "inner"), id="json-as-text"),
        pytest.param(line("a", response({}, 999)), ("a", None, None, NO_MESSAGE), id="no-such-status"),
    ],
)
def test_failures(raw, found):
    """A line of a request that failed gives its status, code and message, in every documented shape."""
    assert read(raw) == found


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        pytest.param(b'{"custom_id": 7, "response": null}', ("7", None, None, "no response"), id="id-number"),
        pytest.param(b'{"custom_id": [], "response": null}', (None, None, None, "no response"), id="id-list"),
        pytest.param(line("a", {"status_code": "429", "body": None}), ("a", 429, None, "HTTP 429"), id="status-text"),
        pytest.param(line("a", {"status_code": 200.0, "body": {}}), ("a", 200, None, None), id="status-float"),
        pytest.param(line("a", {"status_code": True, "body": {}}), ("a", None, None, None), id="status-boolean"),
        pytest.param(line("a", response({"model": 3, "usage": []})), ("a", 200, None, None), id="odd-body"),
        pytest.param(b'\xef\xbb\xbf{"custom_id": "a", "error": "x"}', ("a", None, None, "x"), id="byte-order-mark"),
        pytest.param(b'{"custom_id": "a", "error": "\xff"}', ("a", None, None, "\ufffd"), id="invalid-utf-8"),
        pytest.param(b'{"custom_id": "a", "error": "x", "y": NaN}', ("a", None, None, "x"), id="nan"),
        pytest.param(b'{"custom_id": "a", "error": "x\x00y"}', ("a", None, None, "x\x00y"), id="nul"),
        pytest.param(b'{"custom_id": "a", "error": "x"}\r', ("a", None, None, "x"), id="carriage-return"),
        pytest.param(b'{"custom_id": "a", "error": {"message": ["x"]}}', ("a", None, None, "x"), id="list-as-message"),
    ],
)
def test_odd_lines_are_read_as_far_as_they_go(raw, found):
    """A value of another type, or bytes that are not quite JSON, cost only themselves."""
    assert read(raw) == found


@pytest.mark.parametrize(
    ("usage", "found"),
    [
        pytest.param({"prompt_tokens": 3}, TokenUsage(3), id="one"),
        pytest.param({"prompt_tokens": "3", "completion_tokens": 4.0}, TokenUsage(3, 4), id="text-and-float"),
        pytest.param(
            {"prompt_tokens": -1, "completion_tokens": 10**30, "total_tokens": 5}, TokenUsage(None, None, 5), id="absurd"
        ),
        pytest.param({"prompt_tokens": True, "completion_tokens": 1.5, "total_tokens": None}, TokenUsage(), id="no-numbers"),
        pytest.param([1], None, id="a-list"),
    ],
)
def test_odd_usage(usage, found):
    """What cannot be an amount of tokens counts for none."""
    assert parse_line(success(usage=usage)).usage == found


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(b"\x00", "not JSON", id="nul"),
        pytest.param(b'{"custom_id": "a", "respon', "not JSON", id="cut"),
        pytest.param(b"{} {}", "not JSON", id="two-objects"),
        pytest.param(b"null", "not an object", id="null"),
        pytest.param(b"[1]", "not an object", id="list"),
        pytest.param(b"1" * 5000, "not JSON", id="digits"),
        pytest.param(b'{"error": ' + DEEP + b"}", "nested too deeply", id="deep"),
        pytest.param(b'{"x": ' + DEEP + b"}", "nested too deeply", id="deep-elsewhere"),
        pytest.param(b'{"x": "' + b"x" * LONGEST_LINE + b'"}', "too long", id="long"),
    ],
)
def test_unreadable_lines(raw, reason):
    """A line that is no JSON object is unreadable, and the reason repeats nothing of it."""
    assert parse_line(raw) == UnreadableLine(reason)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("model", "usage", "usage_info", "message", "error", "detail", "code", "type"), values)
)
responses = st.fixed_dictionaries({}, optional={"status_code": values | st.sampled_from([200, 400]), "body": values | bodies})
lines = st.fixed_dictionaries({}, optional={"custom_id": values, "error": values, "response": values | responses})


@given(lines)
def test_any_object_is_a_line(found):
    """Whatever stands in the known properties, the line is read, and is a success or has a message."""
    read = parse_line(json.dumps(found).encode())
    assert isinstance(read, ResultLine)
    assert read.message is None or read.message
    assert read.status is None or 100 <= read.status <= 599


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw):
    """No bytes raise anything."""
    assert isinstance(parse_line(raw), ResultLine | UnreadableLine)

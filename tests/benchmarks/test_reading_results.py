"""Reading a result file while it streams by: ours, the raw way, the file's SHA-256 alone, and a reader by json.loads."""

import hashlib
import json
import time
import tracemalloc
from functools import partial

import msgspec
import pytest

from tracker.core.results.file_analysis import Analyzer

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

MEGABYTES = 24
CHUNK = 1 << 18
RUNS = 5
TEXT = 'The answer is "42",\n because … {x} ' * 20


class Usage(msgspec.Struct):
    total_tokens: int


class Body(msgspec.Struct):
    usage: Usage


class Response(msgspec.Struct):
    status_code: int
    body: Body


class Line(msgspec.Struct):
    response: Response


def line(number, text=TEXT, **body):
    """A line of chat, of about a thousand bytes."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}}]
    usage = {"prompt_tokens": 12, "completion_tokens": 44, "total_tokens": 56}
    answer = {"model": "mistral-small-latest", "choices": choices, "usage": usage} | body
    return json.dumps(
        {"id": f"batch-{number}", "custom_id": str(number), "response": {"status_code": 200, "body": answer}, "error": None}
    ).encode()


def failure(number, message="Rate limit exceeded"):
    body = {"object": "error", "message": message, "type": "rate_limit", "code": "1300"}
    return json.dumps({"custom_id": str(number), "response": {"status_code": 429, "body": body}, "error": None}).encode()


def chunks(make):
    """A file of lines that `make` makes by their number, in chunks as they come from a connection."""
    size = len(make(0)) + 1
    content = b"\n".join(map(make, range(MEGABYTES * 1_000_000 // size))) + b"\n"
    return [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]


def analyzed(file):
    analyzer = Analyzer()
    for chunk in file:
        analyzer.feed(chunk)
    return analyzer.finish()


def hashed(file):
    found = hashlib.sha256()
    for chunk in file:
        found.update(chunk)


def decoded(file):
    """The raw way: each line decoded to what has its tokens, and these added up."""
    decode, content = msgspec.json.Decoder(Line).decode_lines, b"".join(file)
    return sum(each.response.body.usage.total_tokens for each in decode(content))


def loaded(file):
    return sum(json.loads(each)["response"]["body"]["usage"]["total_tokens"] for each in b"".join(file).splitlines())


def test_reading_a_result_file(compare):
    """Failures, tokens and lines of a file are counted in little more time than it takes to decode it."""
    file = chunks(line)
    comparison = compare(f"CPU: {MEGABYTES} MB of lines of 1 KB", time.process_time)
    for _ in range(RUNS):
        with comparison.time("SHA-256 alone"):
            hashed(file)
        with comparison.time("the limit: msgspec alone"):
            total = decoded(file)
        with comparison.time("Analyzer"):
            analysis = analyzed(file)
        with comparison.time("json.loads"):
            assert loaded(file) == total
    assert analysis.usage.usage().total.total_tokens == total
    assert comparison.ratio("Analyzer", "the limit: msgspec alone") < 5
    assert comparison.ratio("json.loads", "Analyzer") > 1.5


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("short lines", partial(line, text="")),
        ("long lines", partial(line, text=TEXT * 20)),
        ("odd lines", partial(line, usage={"prompt_tokens": "12"})),
        ("the same failure", failure),
        ("failures that differ", lambda number: failure(number, f"Input of {number} tokens is too long for 'model'")),
    ],
)
def test_reading_other_files(compare, name, make):
    """The figures for files that are cheaper and dearer to read; each line is counted."""
    file = chunks(make)
    comparison = compare(f"CPU: {MEGABYTES} MB of {name}", time.process_time)
    for _ in range(2):
        with comparison.time("SHA-256 alone"):
            hashed(file)
        with comparison.time("Analyzer"):
            analysis = analyzed(file)
    assert analysis.lines == sum(chunk.count(b"\n") for chunk in file)
    assert analysis.failures.unreadable == 0


def test_memory_does_not_grow_with_a_file(count):
    """What a file of ten times as many lines takes at most is what the smaller one takes: a chunk and its lines."""
    peaks = count("bytes at most while a file is read")
    one = [each for each in chunks(line) if each]
    for name, times in (("1 file", 1), ("10 such files as one", 10)):
        tracemalloc.start()
        try:
            analyzed(each for _ in range(times) for each in one)
            peaks.record(name, tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks.of("10 such files as one") < 1.5 * peaks.of("1 file")

"""A result file read while it streams by: its lines, whatever they are and however it is cut into chunks."""

import json
import tracemalloc
from itertools import pairwise

import pytest
from core_samples import job
from hypothesis import given
from hypothesis import strategies as st
from result_lines import CHAT, MODEL, failure, line, page, response, success

from tracker.core.results import file_analysis as module
from tracker.core.results.failure_digest import _MOST_REMEMBERED
from tracker.core.results.file_analysis import Analyzer, summarize
from tracker.core.results.result_line import LONGEST_LINE, UnreadableLine, parse_line
from tracker.core.results.usage import ModelUsage

JOB = job(succeeded_requests=2, failed_requests=1)
COUNTED = {"requests": 1, **CHAT}


def analyzed(*chunks):
    """What a file in these chunks says."""
    analyzer = Analyzer("job-model")
    for chunk in chunks:
        analyzer.feed(chunk)
    return analyzer.finish()


def said(analysis):
    """All of it, as values that can be compared."""
    digest, usage = summarize(JOB, [analysis])
    return analysis.lines, analysis.blank_lines, analysis.last_line_readable, digest, usage


def test_lines_are_counted_and_read():
    """A file's lines, failed requests and usage are found in one pass."""
    content = b"\n".join([success("a"), failure("b", "wait 5 s"), page("c")]) + b"\n"
    analysis = analyzed(content)
    digest, usage = summarize(JOB, [analysis])
    assert (analysis.lines, analysis.blank_lines, analysis.last_line_readable) == (3, 0, True)
    assert [(each.message, each.count, each.custom_ids) for each in digest.groups] == [("wait # s", 1, ("b",))]
    assert usage.by_model == {MODEL: ModelUsage(**COUNTED), "mistral-ocr-latest": ModelUsage(requests=1, pages=3)}
    assert digest.mismatch is None


def test_both_files_are_summarized():
    """Failed lines of the output file and successes of the error file count as what they are."""
    output, error = analyzed(success("a") + b"\n" + failure("b")), analyzed(success("c"))
    digest, usage = summarize(JOB, [output, error])
    assert digest.failed == 1
    assert digest.mismatch is None
    assert usage.total == ModelUsage(**{name: 2 * amount for name, amount in COUNTED.items()})


def test_nothing_is_compared_while_a_file_is_missing():
    """Counters are compared only where each file of the job was read."""
    digest, _ = summarize(JOB, [analyzed(success("a"))], complete=False)
    assert digest.mismatch is None


@pytest.mark.parametrize(
    ("content", "lines", "blank", "readable"),
    [
        pytest.param(b"", 0, 0, True, id="empty"),
        pytest.param(b"\n", 0, 1, True, id="a-line-feed"),
        pytest.param(success() + b"\n", 1, 0, True, id="ended"),
        pytest.param(success(), 1, 0, True, id="no-final-line-feed"),
        pytest.param(success() + b"\r\n" + success() + b"\r\n", 2, 0, True, id="crlf"),
        pytest.param(b"\n\n" + success() + b"\n \t\n" + success() + b"\n\n", 2, 4, True, id="blank-lines"),
        pytest.param(success() + b"\n" + success()[:-20], 2, 0, False, id="cut"),
        pytest.param(success() + b"\n" + success()[:-20] + b"\n\n", 2, 1, False, id="cut-and-blank"),
        pytest.param(success()[:-20] + b"\n" + success(), 2, 0, True, id="a-bad-line-before"),
        pytest.param(success() + success() + b"\n", 1, 0, False, id="two-objects-on-a-line"),
        pytest.param(success() + success() + b"\n" + success() + b"\n", 2, 0, True, id="two-objects-on-one-of-two-lines"),
        pytest.param(json.dumps(json.loads(success()), indent=1).encode(), 27, 0, False, id="indented"),
        pytest.param(b'{"error": "\xff"}\n', 1, 0, True, id="invalid-utf-8"),
        pytest.param(b"\0\n" * 3, 3, 0, False, id="nul"),
        pytest.param(b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n" + success(), 2, 0, True, id="deep"),
        pytest.param(b"\xef\xbb\xbf" + success(), 1, 0, True, id="byte-order-mark"),
        pytest.param('{\u2028\u0085"error":"x"}'.encode() + b"\n", 1, 0, False, id="other-line-ends"),
    ],
)
def test_what_counts_as_a_line(content, lines, blank, readable):
    """Lines end with a line feed alone; blank ones are counted apart; the last one shows whether the file was cut."""
    analysis = analyzed(content)
    assert (analysis.lines, analysis.blank_lines, analysis.last_line_readable) == (lines, blank, readable)
    assert said(analyzed(*(content[at : at + 1] for at in range(len(content))))) == said(analysis)


def test_an_unreadable_line_costs_only_itself():
    """Lines before and behind it, in the same chunk, are read as they would be alone."""
    digest, usage = summarize(JOB, [analyzed(b"\n".join([success(), b"}", failure(), b"[]", success()]))])
    assert (digest.unreadable, digest.failed, usage.total.requests) == (2, 1, 2)


CHUNK = 1 << 20


def test_a_line_without_end_takes_bounded_memory():
    """A line of 1 GB is one unreadable line, and never takes more than the longest line and two chunks."""
    analyzer, chunk = Analyzer(), b"x" * CHUNK
    analyzer.feed(success() + b"\n")
    tracemalloc.start()
    try:
        for _ in range(1024):
            analyzer.feed(chunk)
        analyzer.feed(b'x"}\n' + failure() + b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    analysis = analyzer.finish()
    assert (analysis.lines, analysis.failures.unreadable, analysis.failures.failed) == (3, 1, 1)
    assert peak < 2 * LONGEST_LINE + 2 * CHUNK


@pytest.mark.parametrize("chunks", [9, 20])
def test_a_file_that_ends_within_a_line_without_end_is_cut(chunks):
    """A line too long to be read counts as one line, also where the file ends in it."""
    analysis = analyzed(success() + b"\n", *[b"x" * CHUNK] * chunks)
    assert (analysis.lines, analysis.failures.unreadable, analysis.last_line_readable) == (2, 1, False)


@pytest.mark.parametrize("size", [LONGEST_LINE, LONGEST_LINE + 1])
@pytest.mark.parametrize("chunk", [CHUNK, 3 * LONGEST_LINE])
def test_the_longest_line_is_read(size, chunk):
    """A line of the greatest length is read and one of a byte more is not, in one chunk or in many, between other lines."""
    empty = success(text="")
    content = b"\n".join([failure(), success(text="x" * (size - len(empty))), failure(), b""])
    analysis = analyzed(*(content[at : at + chunk] for at in range(0, len(content), chunk)))
    assert analysis.lines == 3
    assert analysis.failures.failed == 2
    assert analysis.failures.unreadable == (size > LONGEST_LINE)


@pytest.mark.parametrize("chunk", [CHUNK, 3 * LONGEST_LINE])
def test_a_blank_line_without_end_is_unreadable(chunk):
    """A line too long to be read is not looked at, in one chunk or in many."""
    content = b" " * (LONGEST_LINE + 1) + b"\n" + success()
    analysis = analyzed(*(content[at : at + chunk] for at in range(0, len(content), chunk)))
    assert (analysis.lines, analysis.blank_lines, analysis.failures.unreadable) == (2, 0, 1)


HOSTILE = (
    b"",
    b"  \t",
    b"\r",
    b"\x0b",
    b"}",
    b"null",
    b"\0",
    b"\xff\xfe",
    b'{"error": "\xff"}',
    b'{"custom_id": "cut", "respon',
    b'{"custom_id": 7, "error": {"message": ["odd"]}}',
    b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}",
)
USUAL = (
    success("a"),
    success("b", usage={"prompt_tokens": "3"}),
    page("c"),
    failure("d", "wait 5 s"),
    failure("e", "wait 6 s", status=500),
    line("f"),
    line(None, error={"code": "x", "message": "y"}),
    line("g", response({"detail": [{"msg": "bad"}]}, 422)),
)
files = st.lists(st.sampled_from(USUAL) | st.sampled_from(HOSTILE) | st.binary(max_size=9).filter(lambda b: b"\n" not in b))


@given(files, st.lists(st.integers(0, 2000)), st.booleans())
def test_chunks_do_not_matter(lines, cuts, ended):
    """However a file is cut into chunks, it says the same: what its lines say one by one."""
    content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    places = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    analysis = analyzed(*(content[a:b] for a, b in pairwise(places)))
    assert said(analysis) == said(analyzed(content))
    read = [parse_line(each) for each in lines if each.strip()]
    assert analysis.lines == len(read)
    assert analysis.failures.unreadable == sum(isinstance(each, UnreadableLine) for each in read)
    failed = [each for each in read if not isinstance(each, UnreadableLine) and each.message is not None]
    assert analysis.failures.failed == len(failed)


def test_usual_lines_are_decoded_together(monkeypatch):
    """Lines in a documented shape are not read one by one, which is what keeps pace with a download."""
    monkeypatch.setattr(module, "read_line", None)
    assert analyzed(b"\n".join(USUAL[:1] + USUAL[2:]) + b"\n").lines == len(USUAL) - 1


def different(number):
    """Two lines, as no other number gives them."""
    word = "".join(chr(97 + int(digit)) for digit in str(number))
    return failure(f"id-{number}", f"cause {word}") + b"\n" + success(model=f"model-{number}") + b"\n"


@pytest.mark.slow
def test_different_lines_without_end_take_bounded_memory():
    """A file of three times as many different failures and models leaves about as much as a file of all distinguished ones."""

    def left(count):
        analyzer, chunks = Analyzer(), [different(n) for n in range(count)]
        tracemalloc.start()
        try:
            for chunk in chunks:
                analyzer.feed(chunk)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    assert left(3 * _MOST_REMEMBERED + 100) < 2 * left(_MOST_REMEMBERED + 100)

"""The digest of failed requests: groups, counts, bounds, and what is compared with the job."""

import msgspec
import pytest
from core_samples import job
from hypothesis import given
from hypothesis import strategies as st
from result_lines import failure, line, page, response, success

from tracker.core.results.failure_digest import MOST_DISTINCT, MOST_GROUPS, DigestBuilder
from tracker.core.results.result_line import ResultLine, UnreadableLine, parse_line
from tracker.core.text.escaping import escape_json_bytes

COUNTED = job(succeeded_requests=3, failed_requests=5, total_requests=8)


def built(*raws, **options):
    """A builder that has counted these lines."""
    builder = DigestBuilder(**options)
    for raw in raws:
        found = parse_line(raw)
        if isinstance(found, UnreadableLine):
            builder.add_unreadable()
        else:
            builder.add(found)
    return builder


def groups(digest):
    return [(each.status, each.code, each.message, each.count) for each in digest.groups]


def test_failures_are_grouped_the_most_frequent_first():
    """Failures of one status, code and normalized message are one group; successes are in none."""
    lines = [failure(f"{n}", f"{n} requests too many") for n in range(3)]
    lines += [failure("x", "7 requests too many", status=500), failure("y", "8 requests too many", code="c")]
    digest = built(success(), *lines[::-1], page()).digest(COUNTED)
    assert digest.failed == 5
    assert groups(digest)[0] == (429, "t", "# requests too many", 3)
    assert sorted(groups(digest)[1:]) == [(429, "c", "# requests too many", 1), (500, "t", "# requests too many", 1)]
    assert (digest.groups_omitted, digest.other, digest.unreadable) == (0, 0, 0)


def test_a_group_has_the_first_custom_ids_and_one_sample():
    """A group names its first three requests that have a custom_id, and the first message as it came."""
    lines = [line(f"request-{n}", error=f"wait {n} s") for n in range(5)]
    (group,) = built(line(None, error="wait 5 s"), *lines).digest(COUNTED).groups
    assert group.custom_ids == ("request-0", "request-1", "request-2")
    assert group.sample == "wait 5 s"
    assert group.count == 6


def test_without_samples_nothing_quoted_is_left():
    """With samples off, no number, id or quoted text of a message is in the digest."""
    digest = built(failure("a", "cannot answer 'canary one', canary-7f3a91bc"), samples=False).digest(COUNTED)
    assert digest.groups[0].sample is None
    assert b"canary one" not in msgspec.json.encode(digest)
    assert b"7f3a" not in msgspec.json.encode(digest)


def test_no_signed_link_is_in_a_digest():
    """Messages, codes, custom IDs, models and the job's errors keep the address of a link, without what gives access."""
    link = "https://blob/file?se=1&sig=canary"
    digest = built(failure(link, f"cannot read {link}", code=link)).digest(job(errors=[{"message": link, "count": 1}]))
    (group,) = digest.groups
    assert (group.message, group.sample) == ("cannot read https://blob/file?se=…&sig=…",) * 2
    assert "canary" not in str(digest)


def test_custom_id_of_which_nothing_can_be_printed():
    """An ID of invisible characters alone is none."""
    assert built(failure("\u2028", "busy"), failure("b", "busy")).digest(COUNTED).groups[0].custom_ids == ("b",)


def test_most_frequent_groups_are_shown_and_the_others_counted():
    """Ten groups are there; the requests of the others are in `other`."""
    lines = [failure(str(n), f"cause {chr(97 + n)}") for n in range(14) for _ in range(n + 1)]
    digest = built(*lines).digest(COUNTED)
    assert [each.count for each in digest.groups] == [*range(14, 4, -1)]
    assert (digest.groups_omitted, digest.other) == (4, 1 + 2 + 3 + 4)


def word(number):
    """A different word without digits for each number."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


def test_different_failures_without_end_take_bounded_memory():
    """Beyond a bound, failures of new kinds are only counted, and those of known kinds are counted in their group."""
    builder = DigestBuilder()
    for n in range(3 * MOST_DISTINCT):
        builder.add(ResultLine(f"id-{n}", 400, None, f"cause {word(n)}"))
    for _ in range(5):
        builder.add(ResultLine("x", 400, None, "cause c"))
    digest = builder.digest(COUNTED)
    assert len(builder.groups) == MOST_DISTINCT
    assert groups(digest)[0] == (400, None, "cause c", 6)
    assert digest.failed == 3 * MOST_DISTINCT + 5
    assert sum(each.count for each in digest.groups) + digest.other == digest.failed


def test_files_are_merged():
    """The digest of two files is that of their lines together."""
    lines = [failure(str(n), f"cause {word(n % 7)}", status=400 + n % 3) for n in range(200)]
    whole, merged = built(*lines, b"}"), DigestBuilder()
    for part in (lines[:90], [*lines[90:], b"}"]):
        merged.merge(built(*part))
    assert merged.digest(COUNTED) == whole.digest(COUNTED)
    assert (merged.lines, merged.unreadable) == (201, 1)


@pytest.mark.parametrize(
    ("lines", "complete", "mismatch"),
    [
        pytest.param([success()] * 3 + [failure()] * 5, True, None, id="equal"),
        pytest.param(
            [success()] * 3 + [failure()] * 4,
            True,
            "7 lines, but 8 requests that succeeded or failed by the job's counters; "
            "4 failed requests, but 5 by the job's counters",
            id="one-too-few",
        ),
        pytest.param(
            [success()] * 4 + [failure()] * 4, True, "4 failed requests, but 5 by the job's counters", id="one-succeeded"
        ),
        pytest.param([success()] * 3, False, None, id="a-file-is-missing"),
    ],
)
def test_counters_are_compared(lines, complete, mismatch):
    """Where the lines of all files contradict the counters of the job, the digest says how."""
    assert built(*lines).digest(COUNTED, complete=complete).mismatch == mismatch


def test_errors_of_the_job_are_merged():
    """An error of the job that a group has is there once; another one is a sentence of its own."""
    errors = [{"message": "wait 9 s", "count": 5}, {"message": "the model is gone", "count": 2}]
    digest = built(failure("a", "wait 5 s")).digest(job(errors=errors, total_requests=8))
    assert digest.job_errors == ("2 requests: the model is gone",)


def test_hostile_lines_fit_into_16_kib():
    """Whatever the lines and the job's errors say, the digest's JSON has at most 16 KiB, also when it is escaped."""
    for character in ('"', "\\", "\U0001f600", "é", "\u2028", "x", "\x7f"):
        long = f"{character * 5000}"
        lines = [failure(f"{long}{word(n)}", f"{word(n)} {long}", code=f"{word(n)}{long}") for n in range(20) for _ in "abc"]
        digest = built(*lines).digest(job(errors=[{"message": f"{long}{word(n)}", "count": 1} for n in range(20)]))
        assert len(digest.groups) == MOST_GROUPS
        assert len(escape_json_bytes(msgspec.json.encode(digest))) <= 16 * 1024


failures = st.builds(
    ResultLine,
    custom_id=st.none() | st.text(max_size=5),
    status=st.none() | st.integers(400, 402),
    code=st.none() | st.text(max_size=3),
    message=st.none() | st.text(max_size=12),
)


@given(st.lists(failures, max_size=30), st.integers(0, 30))
def test_no_failure_is_lost_however_files_are_cut(lines, cut):
    """The counts add up to the failed lines, in one builder and in two that are merged."""
    whole, one, two = DigestBuilder(), DigestBuilder(), DigestBuilder()
    for number, each in enumerate(lines):
        whole.add(each)
        (one if number < cut else two).add(each)
    one.merge(two)
    digest = whole.digest(COUNTED)
    assert digest == one.digest(COUNTED)
    assert digest.failed == sum(each.message is not None for each in lines)
    assert sum(each.count for each in digest.groups) + digest.other == digest.failed


def test_a_message_that_is_remembered_is_not_confused():
    """The same message with another status or code is another group, however often it came before."""
    found = [(400, "a"), (400, "b"), (500, "a"), (None, None)] * 3
    builder = DigestBuilder()
    for status, code in found:
        builder.add(ResultLine("x", status, code, "m"))
    assert [each.count for each in builder.digest(COUNTED).groups] == [3] * 4


def test_lines_of_both_files_count():
    """A failed line in the output file counts as one in the error file."""
    assert built(success(), line("b", response({"message": "x"}, 500))).failed == 1

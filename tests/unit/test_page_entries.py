"""A page of which little has changed is read job by job, and comes out as if it had been read whole."""

import json

import pytest
from core_samples import job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Malformed
from tracker.core.jobs.job_reading import parse_page
from tracker.http.client import Answer
from tracker.providers.requests.page_entries import MOST_CHANGED, NEW, compare, entries_of
from tracker.providers.requests.unchanged_pages import READ_WHOLE, UnchangedPages

DATA = job().to_data()
STYLES = [(",", ":"), (", ", ": "), (" ,\n ", " :\t")]
TRICKS = ['"data": [', "]", "[{", "\\", '"', "],", '{"id": "job-1"}', "é", ","]
"""Text that a reader of bytes might take for structure."""


def entry(number, **changed):
    return DATA | {"id": f"job-{number}"} | changed


def body(entries, style=STYLES[0], **others):
    return json.dumps({"object": "list", "total": len(entries), "data": entries} | others, separators=style).encode()


class Reading:
    """Reads pages one after another, and counts the jobs that were read from bytes."""

    def __init__(self):
        self.pages = UnchangedPages()
        self.jobs_read = 0

    def __call__(self, content):
        return self.pages.read("place", Answer(200, {}, content), self._read, lambda page: page)

    def _read(self, answer):
        parsed = parse_page(answer.body)
        if isinstance(parsed, Malformed):
            return Failure(Reason.MALFORMED, parsed.reason)
        self.jobs_read += len(parsed)
        return parsed


entries = st.lists(
    st.builds(
        entry,
        st.integers(0, 8),
        completed_requests=st.integers(0, 3),
        metadata=st.dictionaries(st.sampled_from(TRICKS), st.sampled_from(TRICKS) | st.lists(st.sampled_from(TRICKS))),
    ),
    max_size=12,
)


@given(st.lists(st.tuples(entries, st.sampled_from(STYLES), st.sampled_from([{}, {"next": "]"}, {"next": ["]"]}])), min_size=2))
def test_each_page_is_what_reading_it_whole_gives(shown):
    """Whatever has changed between two pages, left, joined or moved: jobs and total are those of the page alone."""
    read = Reading()
    for listed, style, others in shown:
        content = body(listed, style, **others)
        page, whole = read(content), parse_page(content)
        assert (page.jobs, page.malformed, page.total) == (whole.jobs, whole.malformed, whole.total)


@pytest.mark.parametrize("style", STYLES, ids=["dense", "usual", "loose"])
@pytest.mark.parametrize(
    ("change", "read_again"),
    [
        (lambda jobs: [entry(0, status="FAILED"), *jobs[1:]], 1),
        (lambda jobs: [*jobs[:50], entry(50, completed_requests=77_777), *jobs[51:]], 1),
        (lambda jobs: [*jobs[:-1], entry(99, model="another")], 1),
        (lambda jobs: [entry(1000), *jobs[:-1]], 2),
        (lambda jobs: jobs[1:], 0),
        (lambda jobs: jobs[:-1], 1),
        (lambda jobs: [*jobs, entry(100), entry(101)], 3),
        (lambda jobs: [each | {"model": "x"} if n % 20 == 3 else each for n, each in enumerate(jobs)], 5),
    ],
    ids=["the first", "one between", "the last", "a new first", "without the first", "without the last", "two more", "five"],
)
def test_unchanged_jobs_are_not_read_again(style, change, read_again):
    """Of a page of a hundred only the jobs are read whose bytes have changed, and the one whose separator has."""
    read, before = Reading(), [entry(number) for number in range(100)]
    first = read(body(before, style))
    read.jobs_read = 0
    after = body(change(before), style)
    page = read(after)
    assert read.jobs_read == read_again
    assert page.jobs == parse_page(after).jobs
    assert sum(any(job is other for other in first.jobs) for job in page.jobs) == len(page) - read_again


def test_a_page_that_moves_as_a_whole_is_read_whole():
    """After a page of which most jobs have changed the next ones are not even compared, but once in a while."""
    read = Reading()
    read(body([entry(number) for number in range(100)]))
    for moved in range(1, READ_WHOLE + 2):
        read(body([entry(number, completed_requests=moved) for number in range(100)]))
    read.jobs_read = 0
    read(body([entry(number, completed_requests=moved + (number == 5)) for number in range(100)]))
    assert read.jobs_read == 1


def test_too_many_changes_are_left_to_a_reading_of_the_whole():
    """Up to a few changed jobs are found; beyond, comparing would cost more than reading."""
    before = body([entry(number) for number in range(100)])
    for changed, found in ((MOST_CHANGED, True), (MOST_CHANGED + 1, False)):
        after = body([entry(number, model="x" if number < changed else None) for number in range(100)])
        base = body([entry(number, model=None) for number in range(100)])
        comparison = compare(base, entries_of(base), after)
        assert (comparison is not None) == found
        assert not found or comparison.order.count(NEW) == changed
    assert entries_of(before).starts[0] == before.index(b'{"id"')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"total":1,"data":null}',
        b'{"data":[{}],"data":null}',
        b'{"meta":{"data":[1]},"data":[2]}',
        b'{"data":[1,]}',
        b'{"data":[1]} trailing',
        b'{"data":[1],"meta":[2]}',
    ],
    ids=repr,
)
def test_other_content_has_no_entries(content):
    """Where it is not certain which bytes are the list's entries, none are."""
    assert entries_of(content) is None

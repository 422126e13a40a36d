"""A page that comes byte for byte as before is not read again, and nothing else is taken for it."""

import sys

import pytest
from core_samples import job

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import Page
from tracker.http.client import Answer
from tracker.providers.requests.unchanged_pages import UnchangedPages

TEN = b"0123456789"


class Reading:
    """Reads answers by making a page of each, and counts them."""

    def __init__(self, pages, jobs=0):
        self.pages = pages
        self.jobs = jobs
        self.count = 0

    def __call__(self, place, body, headers=None, *, fails=False):
        return self.pages.read(place, Answer(200, headers or {}, body), lambda _: self._read(fails))

    def _read(self, fails):
        self.count += 1
        return Failure(Reason.MALFORMED, "so") if fails else Page(tuple(job() for _ in range(self.jobs)), (), self.count)


def test_the_same_bytes_are_read_once():
    """The page is the one of before, but for the provider's clock."""
    read = Reading(UnchangedPages())
    first = read("a", TEN)
    again = read("a", TEN, {"date": "Wed, 25 Jun 2025 14:20:10 GMT"})
    assert (first.total, again.total, read.count) == (1, 1, 1)
    assert (first.provider_time, again.provider_time) == (None, 1_750_861_210_000)


@pytest.mark.parametrize(
    ("place", "body"),
    [pytest.param("a", b"0123456780", id="another byte"), pytest.param("b", TEN, id="another page")],
)
def test_anything_else_is_read(place, body):
    """One byte that differs, or the same bytes at another place, are read."""
    read = Reading(UnchangedPages())
    read("a", TEN)
    assert read(place, body).total == 2
    assert read(place, body).total == 2


def test_a_failure_is_read_again():
    """What could not be read is not kept, and neither is the page that stood there before."""
    read = Reading(UnchangedPages())
    read("a", TEN)
    assert isinstance(read("a", b"no page", fails=True), Failure)
    assert read("a", TEN).total == 3


def test_room_is_bounded():
    """What does not fit is read each time, what was there first stays, and a page that is not asked for any more makes room."""
    read = Reading(UnchangedPages(most_bytes=25, stale_after=4))
    for place in "abc":
        read(place, TEN)
    assert [read(place, TEN).total for place in "abc"] == [1, 2, 4]
    assert [read(place, TEN).total for place in "cc"] == [5, 6]
    assert [read(place, TEN).total for place in "cbcc"] == [6, 2, 6, 6]  # a was not asked for in four reads


def test_a_kept_job_is_in_memory_once():
    """Where an equal job is known, that one is kept and shown, and the one that was read is in memory no more."""
    read, known = Reading(UnchangedPages(), jobs=1), job()
    page = read("a", TEN)
    own = page.jobs[0]
    page.kept.share({known.id: Known(known)})
    del page
    assert sys.getrefcount(own) == 2  # its name here, and the argument
    assert read("a", TEN).jobs[0] is known

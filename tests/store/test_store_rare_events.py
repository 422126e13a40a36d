"""Events of rare types are found where they are, however many others lie between them."""

import itertools

import msgspec
import pytest
from engines import ENGINES
from job_changes import SINCE, seen

from tracker.core.events.event import iso
from tracker.core.events.event_type_table import TYPES
from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.queries.pagination import Span
from tracker.store.records.rare_events import FREQUENT_TYPES

RARE = sorted(set(TYPES) - FREQUENT_TYPES)
BETWEEN = 20
"""Events of a frequent type between two others."""


def of_type(type_, number):
    """A change whose one event has this type; of one account in turn with another, a second after the one before."""
    change = seen(f"job-{number}", account="ab"[number % 2], now=SINCE + number * 1000)
    return msgspec.structs.replace(change, events=(msgspec.structs.replace(change.events[0], type=type_),))


@pytest.fixture(scope="module", params=ENGINES)
async def world(request):
    """A log with three events of each type, and with many of a frequent one in the middle."""
    engine = ENGINES[request.param].made_for_module(request)
    async with engine.store() as store:
        types = [*TYPES, *["batch.progress"] * BETWEEN, *TYPES, "batch.unheard_of", *TYPES]
        for number, type_ in enumerate(types):
            change = of_type(type_, number)
            await store.record(change.account, [change])
    return engine


async def paged(reader, span, which, size):
    """All events of the span, and how many pages they took."""
    found = []
    for pages in itertools.count(1):
        page = await reader.events_page(span, which, size)
        found += page.events
        if page.next is None:
            return found, pages
        span = span.rest(page.next)
    return None


FILTERS = [
    *(EventFilter(types=(type_,)) for type_ in (*TYPES, "batch.unheard_of", "batch.never")),
    EventFilter(types=("batch.failed", "batch.expired", "batch.deleted")),
    EventFilter(types=("batch.failed", "batch.completed")),
    EventFilter(types=("account.*", "receiver.*")),
    EventFilter(types=("batch.failed", "batch.stalled"), account="a"),
    EventFilter(types=("batch.failed",), account="unknown"),
    EventFilter(types=("batch.*led",), since=iso(SINCE + 9000), until=iso(SINCE + 60_000)),
    EventFilter(types=("batch.failed", "batch.stalled"), statuses=("QUEUED",)),
    EventFilter(types=("batch.failed",), job="job-3"),
]


@pytest.mark.parametrize("skipped", [100_000, 2])
@pytest.mark.parametrize("which", FILTERS, ids=repr)
async def test_pages_of_types_are_the_filtered_log(world, which, skipped, monkeypatch):
    """In both directions, in pages of any size, within any bounds, events of each type come once and in order."""
    world.bound_pages(monkeypatch, skipped=skipped)
    takes = which.matcher()
    async with world.reader() as reader:
        log = await reader.events(0, EventFilter(), limit=-1)
        for span, size in itertools.product((Span(), Span(7, 70)), (1, 3, 500)):
            expected = [(seq, body) for seq, body in log if span.after < seq < span.before and takes(read_facts(body))]
            assert (await paged(reader, span, which, size))[0] == expected
            assert (await paged(reader, span._replace(newest_first=True), which, size))[0] == expected[::-1]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_rare_types_are_found_without_passing_over_others(world, newest_first, monkeypatch):
    """One page has all events of a rare type where a page may skip next to nothing; of a frequent type it takes many."""
    world.bound_pages(monkeypatch, skipped=5)
    span = Span(newest_first=newest_first)
    async with world.reader() as reader:
        for types in [*([type_] for type_ in RARE), RARE, ["batch.unheard_of"]]:
            found, pages = await paged(reader, span, EventFilter(types=types), 500)
            assert (len(found), pages) == (1 if "batch.unheard_of" in types else 3 * len(types), 1)
        assert (await paged(reader, span, EventFilter(types=("batch.created",)), 500))[1] > BETWEEN // 5


async def test_rare_events_of_another_account_are_passed_over_in_bounded_pages(world, monkeypatch):
    """A page of an account that has no such event ends within the bound, and leads on."""
    world.bound_pages(monkeypatch, skipped=2)
    async with world.reader() as reader:
        which = EventFilter(types=("batch.failed",), account="unknown")
        seqs = [seq for seq, _ in await reader.events(0, EventFilter(types=("batch.failed",)))]
        assert await reader.events_page(Span(), which, 500) == ([], seqs[1])
        assert await reader.events_page(Span(newest_first=True), which, 500) == ([], seqs[1])

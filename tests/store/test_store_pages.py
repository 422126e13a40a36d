"""Pages of jobs, events and deliveries: nothing twice, nothing left out, and each by an index, whatever is asked for."""

import itertools
import json
from fnmatch import fnmatchcase

import msgspec
import pytest
from engines import ENGINES
from hypothesis import given
from hypothesis import strategies as st
from job_changes import SINCE, seen
from written_world import STATUSES, written_world

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.fan_out import Subscription, fan_out
from tracker.core.events.event import iso, parse_iso
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.job_diff import diff
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.status import TERMINAL
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter, in_display_order, read_facts
from tracker.core.queries.pagination import DeliveryKey, JobKey, Span


@pytest.fixture(scope="module", params=ENGINES)
async def world(request):
    return await written_world(ENGINES[request.param].made_for_module(request))


async def all_jobs(reader, which, size, after=None):
    found = []
    for _ in range(200):
        page = await reader.jobs_page(after, which, size)
        assert len(page.jobs) <= size
        found += page.jobs
        after = page.next
        if after is None:
            return found
    raise AssertionError("it never ends")


async def all_events(reader, span, which, size):
    found = []
    for _ in range(1000):
        page = await reader.events_page(span, which, size)
        assert len(page.events) <= size
        found += page.events
        if page.next is None:
            return found
        span = span.rest(page.next)
    raise AssertionError("it never ends")


JOB_FILTERS = [
    JobFilter(),
    JobFilter(account="a"),
    JobFilter(account="unknown"),
    JobFilter(active=True),
    JobFilter(active=False),
    JobFilter(statuses=("RUNNING",)),
    JobFilter(statuses=("UNHEARD_OF", "SUCCESS", "QUEUED", "SUCCESS")),
    JobFilter(statuses=("RUNNING", "FAILED"), active=True, account="b"),
    JobFilter(model="mistral-*"),
    JobFilter(model="mistral-[!s]*", endpoint="/v1/*"),
    JobFilter(model="a[[]b]c"),
    JobFilter(endpoint="/v1/OCR"),
    JobFilter(provider="openai"),
    JobFilter(provider="mistral", active=True),
    JobFilter(provider="openai", by_end=True, model="mistral-*"),
    JobFilter(provider="unknown"),
    JobFilter(text="LARGE-2411"),
    JobFilter(text="A[B]", active=False, provider="openai"),
    JobFilter(text="chat/", by_end=True, statuses=("SUCCESS", "FAILED")),
    JobFilter(prefix="job-1"),
    JobFilter(prefix="job-1%"),
    JobFilter(created_after=SINCE // 1000 + 2, created_before=SINCE // 1000 + 5),
    JobFilter(created_before=SINCE // 1000 + 5, account="c", statuses=STATUSES),
    JobFilter(created_after=2**60),
    JobFilter(by_end=True),
    JobFilter(by_end=True, active=False, account="b"),
    JobFilter(by_end=True, statuses=("FAILED", "SUCCESS", "RUNNING")),
    JobFilter(by_end=True, statuses=("SUCCESS", "FAILED"), account="a"),
    JobFilter(by_end=True, statuses=("FAILED",), created_after=SINCE // 1000 + 2),
    JobFilter(by_end=True, prefix="job-1", created_before=SINCE // 1000 + 6),
    JobFilter(by_end=True, model="mistral-*", created_after=SINCE // 1000),
    JobFilter(by_end=True, account="unknown"),
]


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("which", JOB_FILTERS, ids=repr)
async def test_pages_of_jobs_fit_together(world, which, bounded, monkeypatch):
    """In pages of any size, within any bounds, every wanted job comes once, newest or last ended first, then as named."""
    if bounded:
        world.bound_pages(monkeypatch, skipped=3, decoded=5, batch=2)
    order = place_by_end if which.by_end else place
    async with world.reader() as reader:
        everything = await reader.jobs()
        expected = sorted(filter(lambda job: wants(which, job), everything), key=order)
        assert expected or not which.by_end or "unknown" in (which.account, which.provider)
        for size in (world.smallest_page, 3, 500):
            assert await all_jobs(reader, which, size) == expected
        if expected:
            at, account, id_ = order(expected[0])
            start = JobKey(-at, account, id_)
            assert await all_jobs(reader, which, 500, start) == expected[1:]


def wants(which, job):
    """What the filter means, written a second time."""
    terminal = job["deleted"] or job["status"] in ("SUCCESS", "FAILED")
    smaller = {"mistral-*": "mistral-", "mistral-[!s]*": "mistral-l", "a[[]b]c": "a[b]c"}
    return (
        which.account in (None, job["account"])
        and which.provider in (None, job["provider"])
        and (not which.statuses or job["status"] in which.statuses)
        and which.active in (None, not terminal)
        and (terminal or not which.by_end)
        and (which.model is None or (job["model"] or "").startswith(smaller[which.model]))
        and which.endpoint in (None, "/v1/*")
        and which.text.casefold() in f"{job['id']} {job['model']} {job['endpoint']}".casefold()
        and job["id"].startswith(which.prefix)
        and (which.created_after is None or job["created_at"] > which.created_after)
        and (which.created_before is None or job["created_at"] < which.created_before)
    )


def place(job):
    return -job["created_at"], job["account"], job["id"]


def place_by_end(job):
    ended_at = parse_iso(job["observed_at"]) // 1000 if job["completed_at"] is None else job["completed_at"]
    return -ended_at, job["account"], job["id"]


@pytest.mark.parametrize(
    "completed_at",
    [None, "soon", -1, 2**60, 1.5, True, {"at": 3}],
    ids=str,
)
async def test_end_without_a_time_is_when_it_was_observed(engine, completed_at):
    """Whatever the API gives for the end of a job, it has its place among those that have ended, at once and after a change."""
    times = {"first": SINCE // 1000 - 50, "last": SINCE // 1000 + 50}
    async with engine.store() as store, engine.reader() as reader:
        await store.record("a", [seen(id_, account="a", status="FAILED", completed_at=at) for id_, at in times.items()])
        odd = seen("odd", account="a")
        await store.record("a", [odd])
        job = read_job(odd.known.job.to_data() | {"status": "FAILED", "completed_at": completed_at})
        await store.record("a", [diff("a", odd.known, job, SINCE)])
        assert [job["id"] for job in await all_jobs(reader, JobFilter(by_end=True), 1)] == ["last", "odd", "first"]


async def test_jobs_in_the_order_in_which_people_look_for_them(world):
    """What runs comes first, then what waits, then what has ended, the last first; each job once, whatever is wanted."""
    async with world.reader() as reader:
        known = {status for counts in (await reader.job_counts()).values() for status in counts}
        for which in (*JOB_FILTERS[:12], JobFilter(active=False, statuses=("QUEUED",)), JobFilter(active=True, account="a")):
            found = [job for part in in_display_order(which, known) for job in await all_jobs(reader, part, 7)]
            assert sorted(map(place, found)) == [place(job) for job in await all_jobs(reader, which, 500)]
            kinds = [2 if job["deleted"] or job["status"] in TERMINAL else int(job["status"] == "QUEUED") for job in found]
            assert kinds == sorted(kinds)


async def test_cost_of_a_page_of_jobs_is_bounded(world, monkeypatch):
    """A page that would have to read too much ends early, and says where to go on."""
    world.bound_pages(monkeypatch, decoded=4, batch=2)
    async with world.reader() as reader:
        page = await reader.jobs_page(None, JobFilter(model="unknown"), 5)
        assert (page.jobs, page.next) == (
            [],
            JobKey(*[(await reader.jobs_page(None, JobFilter(), 4)).jobs[3][each] for each in ("created_at", "account", "id")]),
        )
        wanted = JobFilter(model="a[[]b]c")
        assert await all_jobs(reader, wanted, 3) == [
            job for job in sorted(await reader.jobs(), key=place) if job["model"] == "a[b]c"
        ]


async def test_text_is_found_whatever_case_and_language_it_has(engine):
    """What folds to the text is found, also where only a character beyond ASCII does, and in metadata of any shape."""
    titles = {"a": "Straße 7", "b": "300 \u212aelvin", "c": {"in": ['Deep "inside"']}, "d": "plain"}
    async with engine.store() as store:
        await store.record("default", [seen(id_, metadata={"title": title}) for id_, title in titles.items()])
    async with engine.reader() as reader:
        for text, found in {
            "STRASSE": ["a"],
            "kelvin": ["b"],
            "deep ": ["c"],
            '"inside': ["c"],
            "PLAIN": ["d"],
            "none": [],
        }.items():
            page = await reader.jobs_page(None, JobFilter(text=text), 5)
            assert [job["id"] for job in page.jobs] == found, text


BACKWARDS = Span(newest_first=True)
EVENT_FILTERS = [
    EventFilter(),
    EventFilter(types=("batch.c*", "batch.deleted")),
    EventFilter(types=("batch.unheard_of",)),
    EventFilter(account="b"),
    EventFilter(job="job-03"),
    EventFilter(job="job-03", types=("batch.[!c]*",), account="a"),
    EventFilter(since=iso(SINCE + 9000), until=iso(SINCE + 20_000)),
    EventFilter(statuses=("FAILED", "UNHEARD_OF")),
    EventFilter(model="mistral-*", types=("*.created",), since=iso(SINCE + 3000)),
    EventFilter(job="job-05", statuses=("RUNNING",)),
    EventFilter(model="unknown"),
    EventFilter(provider="openai"),
    EventFilter(provider="mistral", statuses=("FAILED",), account="a"),
]


@pytest.mark.slow
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("which", EVENT_FILTERS, ids=repr)
async def test_pages_of_events_fit_together(world, which, bounded, monkeypatch):
    """In both directions, within any bounds, every event that is wanted comes once and in order, as filtered one by one."""
    if bounded:
        world.bound_pages(monkeypatch, skipped=10, decoded=6, batch=3)
    takes = which.matcher()
    async with world.reader() as reader:
        log = await reader.events(0, EventFilter(), limit=-1)
        for span, size in itertools.product(
            (Span(), Span(17, 60), Span(2, 3), Span(10**30, 10**30), Span(-9, 10**30)), (1, 4, 1000)
        ):
            expected = [(seq, body) for seq, body in log if span.after < seq < span.before and takes(read_facts(body))]
            assert await all_events(reader, span, which, size) == expected
            assert await all_events(reader, span._replace(newest_first=True), which, size) == expected[::-1]
        whole = [row for row in log if takes(read_facts(row[1]))]
        assert await reader.events(0, which, 1000) == await reader.events(0, which, -1) == whole
        assert await reader.events(0, which, 3) == whole[:3]


async def test_a_page_of_large_events_is_short(world, monkeypatch):
    """However many are asked for, a page ends once it is large enough, and leads on to the rest."""
    world.bound_pages(monkeypatch, characters=3000)
    async with world.reader() as reader:
        for which, span in itertools.product(
            (EventFilter(), EventFilter(types=("*",)), EventFilter(model="*")), (Span(), BACKWARDS)
        ):
            page = await reader.events_page(span, which, 1000)
            assert sum(len(body) for _, body in page.events[:-1]) < 3000 <= sum(len(body) for _, body in page.events)
            assert page.next == page.events[-1][0]
            expected = [seq for seq, body in await reader.events(0, EventFilter(), -1) if which.matcher()(read_facts(body))]
            assert [seq for seq, _ in await all_events(reader, span, which, 1000)] == expected[
                :: -1 if span.newest_first else 1
            ]


async def test_last_event_of_each_job(world):
    """Of a type and of jobs of several accounts, in one read: what the pages have of each last, nothing of a job without."""
    async with world.reader() as reader:
        every = [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=-1)]
        jobs = sorted({(event["account"], event["data"]["id"]) for event in every if event["type"].startswith("batch.")})
        for type_ in ("batch.progress", "batch.created", "batch.odd"):
            last = {(event["account"], event["data"].get("id")): event for event in every if event["type"] == type_}
            found = await reader.last_events(type_, [*jobs, ("unknown", jobs[0][1]), (jobs[0][0], "unknown")])
            assert {key: json.loads(body) for key, body in found.items()} == last
        assert await reader.last_events("batch.progress", []) == {}


async def test_the_last_page_says_so(world):
    """A page that ends with the last event there is leads nowhere, one that ends before it leads on."""
    async with world.reader() as reader:
        for which in (EventFilter(), EventFilter(types=("*",)), EventFilter(model="*", statuses=STATUSES)):
            log = await all_events(reader, Span(), which, 1000)
            assert (await reader.events_page(Span(), which, len(log))).next is None
            assert (await reader.events_page(Span(), which, len(log) - 1)).next == log[-2][0]
            assert (await reader.events_page(Span(newest_first=True), which, len(log) - 1)).next == log[1][0]


@given(
    st.lists(st.sampled_from([*TYPES, "batch.*", "*.c*", "account.?*", "[!b]*", "nothing"]), max_size=3),
    st.sampled_from(TYPES),
)
def test_types_are_matched_as_receivers_match_them(globs, type_):
    """The types that a filter asks the engine for are those that a receiver with the same globs would get."""
    wanted = EventFilter(types=globs).matching_types()
    subscription = Subscription(receiver="r", events=tuple(globs) or ("*",))
    event = msgspec.structs.replace(seen().events[0], type=type_)
    is_wanted = wanted is None or type_ in wanted
    assert is_wanted is (bool(list(fan_out([subscription], event))) or _must_be_named(type_, globs))


def _must_be_named(type_, globs):
    """Whether receivers get the type only if a filter begins with its name, and this one matches it without."""
    first = type_.partition(".")[0]
    is_matched = not globs or any(fnmatchcase(type_, glob) for glob in globs)
    return first == "silence" and is_matched and not any(glob.startswith("silence.") for glob in globs)


DELIVERY_FILTERS = [
    DeliveryFilter(),
    DeliveryFilter(receiver="one"),
    DeliveryFilter(states=("dead",)),
    DeliveryFilter(states=("pending", "dead"), receiver="two"),
    DeliveryFilter(states=("pending", "delivered", "superseded")),
    DeliveryFilter(job="job-03"),
    DeliveryFilter(job="job-03", receiver="one", states=("dead",)),
]


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("which", DELIVERY_FILTERS, ids=repr)
async def test_pages_of_deliveries_go_both_ways(world, which, bounded, monkeypatch):
    """Forwards and backwards, in pages of any size, the same deliveries come, each once, with their attempts."""
    if bounded:
        world.bound_pages(monkeypatch, skipped=3)
    async with world.reader() as reader:
        whole = await reader.deliveries((0, ""), DeliveryFilter(), 1000)
        expected = [
            each
            for each in whole
            if which.receiver in (None, each["receiver"])
            and (not which.states or each["state"] in which.states)
            and which.job in (None, each["job"])
        ]
        assert expected
        for size, newest_first in itertools.product((world.smallest_page, 7, 1000), (False, True)):
            found, beyond = [], None
            while True:
                page = await reader.deliveries_page(beyond, which, size, newest_first=newest_first)
                found += page.deliveries
                if (beyond := page.next) is None:
                    break
                assert bounded or beyond == DeliveryKey(found[-1]["seq"], found[-1]["receiver"])
            assert found == (expected[::-1] if newest_first else expected)
        assert await reader.deliveries((0, ""), which, 1000) == expected


async def test_backlog_of_a_receiver(world):
    """Pending and dead deliveries are counted for each receiver, with when the oldest pending one was observed."""
    async with world.reader() as reader:
        one, two = await reader.deliveries((0, ""), DeliveryFilter(receiver="one"), 1000), await reader.backlog("two")
        pending = [each["seq"] for each in one if each["state"] == "pending"]
        first = json.loads((await reader.events(pending[0] - 1, EventFilter(), 1))[0][1])
        assert await reader.backlog("one") == (len(pending), 20, first["observed_at"])
        assert (two.pending > len(pending), two.dead) == (True, 0)
        assert await reader.backlog("unknown") == (0, 0, None)
        assert await reader.circuits() == {"one": Circuit()}


async def test_how_many_jobs_there_are(world):
    """Jobs are counted by account and status, the deleted ones by themselves."""
    async with world.reader() as reader:
        counts = await reader.job_counts()
        jobs = await reader.jobs()
    for account in "abc":
        names = ["deleted" if job["deleted"] else job["status"] for job in jobs if job["account"] == account]
        assert counts[account] == {name: names.count(name) for name in set(names)}


async def test_a_job_of_two_accounts(world):
    """An id finds its job in every account that has one, whole, with what it came to."""
    async with world.reader() as reader:
        jobs = await reader.jobs()
        twice = next(job["id"] for job in jobs if len({each["account"] for each in jobs if each["id"] == job["id"]}) > 1)
        assert sorted(map(place, await reader.jobs_by_id(twice))) == sorted(place(job) for job in jobs if job["id"] == twice)
        assert await reader.jobs_by_id("job-0") == []
        assert {job["outcome"] for job in jobs if job["status"] == "SUCCESS"} == {"all_failed"}
        assert {job["outcome"] for job in jobs if job["status"] != "SUCCESS"} == {None}


async def test_a_job_seen_between_pages(engine):
    """New jobs that are recorded between two pages neither move nor repeat the older ones."""
    async with engine.store() as store, engine.reader() as reader:
        await store.record("a", [seen(f"old-{number}", account="a", created_at=100 + number) for number in range(6)])
        first = await reader.jobs_page(None, JobFilter(), 3)
        await store.record("a", [seen(f"new-{number}", account="a", created_at=200 + number) for number in range(6)])
        second = await reader.jobs_page(first.next, JobFilter(), 3)
    assert [job["id"] for job in first.jobs + second.jobs] == [f"old-{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert second.next is None

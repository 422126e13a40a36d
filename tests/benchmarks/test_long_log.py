"""A log of years: how soon the daemon is ready with it, and what a query of the page and the API costs."""

import os
import time
from pathlib import Path

import httpx
import long_log
import pytest
from canned import apart
from tracking import Installation
from waiting import until_ready

from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import Span
from tracker.runtime.clock import now
from tracker.store.opening import open_reader
from tracker.store.records import delivery_pages, event_pages, job_pages, overview_figures

pytestmark = [pytest.mark.no_cover, pytest.mark.slow, pytest.mark.xdist_group("long_log")]  # no_cover: it measures

EVENTS = 10_000_000
LENGTHS = (15_000, 60_000)
BOUND = 20
STEPS = 10
"""Of SQLite's virtual machine, between two calls of its progress handler."""

NEWEST = Span(newest_first=True)
_JOB = long_log.ended(1, 0)["id"]

LOOKS = {
    "jobs": lambda reader: reader.jobs_page(None, JobFilter(), 50),
    "jobs: active": lambda reader: reader.jobs_page(None, JobFilter(active=True), 50),
    "jobs: ended": lambda reader: reader.jobs_page(None, JobFilter(active=False), 50),
    "jobs: unknown account": lambda reader: reader.jobs_page(None, JobFilter(account="unknown"), 50),
    "jobs: unknown status": lambda reader: reader.jobs_page(None, JobFilter(statuses=("ODD",)), 50),
    "jobs: no such prefix": lambda reader: reader.jobs_page(None, JobFilter(prefix="zzz"), 50),
    "jobs: no such model": lambda reader: reader.jobs_page(None, JobFilter(model="unknown"), 50),
    "jobs: no such text": lambda reader: reader.jobs_page(None, JobFilter(text="nothing of the kind"), 50),
    "how many jobs": lambda reader: reader.job_counts(),
    "events": lambda reader: reader.events_page(Span(), EventFilter(), 100),
    "events: newest": lambda reader: reader.events_page(NEWEST, EventFilter(), 100),
    "events: ends": lambda reader: reader.events_page(Span(), EventFilter(types=("batch.completed",)), 20),
    "events: rare": lambda reader: reader.events_page(Span(), EventFilter(types=("batch.stalled",)), 20),
    "events: rare, unknown account": lambda reader: reader.events_page(
        NEWEST, EventFilter(types=("batch.stalled", "batch.failed"), account="unknown"), 20
    ),
    "events: no such type": lambda reader: reader.events_page(NEWEST, EventFilter(types=("batch.odd",)), 100),
    "events: unknown account": lambda reader: reader.events_page(Span(), EventFilter(account="unknown"), 100),
    "events: tomorrow": lambda reader: reader.events_page(Span(), EventFilter(since="9"), 100),
    "events: no such model": lambda reader: reader.events_page(NEWEST, EventFilter(model="unknown"), 100),
    "events: of one job": lambda reader: reader.events_page(Span(), EventFilter(job=_JOB), 100),
    "deliveries": lambda reader: reader.deliveries_page(None, DeliveryFilter(), 100),
    "deliveries: newest": lambda reader: reader.deliveries_page(None, DeliveryFilter(), 100, newest_first=True),
    "deliveries: dead": lambda reader: reader.deliveries_page(None, DeliveryFilter(states=("dead",)), 100),
    "deliveries: superseded": lambda reader: reader.deliveries_page(None, DeliveryFilter(states=("superseded",)), 100),
    "deliveries: none of a receiver's": lambda reader: reader.deliveries_page(
        None, DeliveryFilter(receiver="everything", states=("superseded",)), 100, newest_first=True
    ),
    "deliveries: unknown receiver's dead": lambda reader: reader.deliveries_page(
        None, DeliveryFilter(receiver="unknown", states=("dead",)), 100
    ),
    "deliveries: of one job": lambda reader: reader.deliveries_page(None, DeliveryFilter(job=_JOB), 100),
    "receivers": lambda reader: reader.circuits(),
    "overview": lambda reader: reader.overview(now()),
}


async def test_what_a_query_costs_does_not_grow_with_the_log(count, tmp_path, monkeypatch):
    """Whatever is asked, and also where nothing is found: four times as long a log costs SQLite no more steps."""
    for module in (delivery_pages, event_pages, job_pages):
        monkeypatch.setattr(module, "MAX_ROWS_SKIPPED", BOUND)
        monkeypatch.setattr(module, "MAX_ROWS_DECODED", BOUND, raising=False)
        monkeypatch.setattr(module, "_BATCH_SIZE", BOUND // 2, raising=False)
        monkeypatch.setattr(module, "_DECODED_BATCH_SIZE", BOUND // 2, raising=False)
    for limit in ("MAX_ACTIVE", "MAX_ENDS", "MAX_RESULTS"):
        monkeypatch.setattr(overview_figures, limit, BOUND)
    steps = []
    for events in LENGTHS:
        long_log.write(tmp_path / f"{events}.db", events, active=20)
        async with open_reader(tmp_path / f"{events}.db") as reader:
            steps.append({name: await _steps(reader, look) for name, look in LOOKS.items()})
    shorter, longer = steps
    dearest = max(LOOKS, key=lambda name: longer[name] / shorter[name])
    figures = count("steps of SQLite for one page")
    for events, of in zip(LENGTHS, steps, strict=True):
        figures.record(f"{events:,} events: {dearest}", of[dearest])
    grown = {name: (shorter[name], longer[name]) for name in LOOKS if longer[name] > 1.5 * shorter[name] + 20 * STEPS}
    assert not grown


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_million_events(compare, count, tmp_path):
    """Ready within 2 s, of a cold file; each query answered within 50 ms. LONG_LOG may name a database of `long_log`."""
    path = _long_log(tmp_path)
    try:
        async with apart(long_log.ACTIVE) as url:
            installation = _installed(tmp_path, path, url)
            _forget(path)
            began = time.perf_counter()
            async with installation.running() as tracker, httpx.AsyncClient(base_url=tracker.url, timeout=60.0) as client:
                await until_ready(client)
                seconds = time.perf_counter() - began
                ready = count("seconds from the start to ready")
                ready.record("target", 2)
                ready.record(f"a log of {EVENTS:,} events", seconds)
                slowest = await answers(client, compare("a log of 10 million events: GET"), PATHS)
        async with open_reader(path) as reader:
            slowest = max(slowest, await queries(reader, compare("a log of 10 million events: query"), LOOKS))
    finally:
        (tmp_path / "tracker.db").unlink(missing_ok=True)
    assert seconds < 10
    assert slowest < 0.5


async def _steps(reader, look):
    """How many steps SQLite makes for it, in tens."""
    calls = []
    await reader._connection.set_progress_handler(lambda: calls.append(1), STEPS)
    await look(reader)
    await reader._connection.set_progress_handler(None, 0)
    return (len(calls) + 1) * STEPS


PATHS = [
    *("/healthz", "/readyz", "/metrics", "/api/jobs", "/api/jobs?active=false", "/api/jobs?status=SUCCESS"),
    *("/api/jobs?model=nothing", "/api/jobs?account=default", "/api/jobs?job=zzz", f"/api/jobs/{_JOB}"),
    *("/api/events?after=5000000", "/api/events?before=9000000", "/api/events?type=batch.failed", f"/api/events?job={_JOB}"),
    *(
        "/api/events?type=batch.stalled",
        "/api/events?type=batch.completed",
        "/api/events?since=2100-01-01T00:00:00Z",
        "/api/events?model=nothing",
    ),
    *("/api/deliveries", "/api/deliveries?order=desc", "/api/deliveries?receiver=ends", "/api/deliveries?state=dead"),
    *("/api/deliveries?state=superseded", "/api/deliveries?receiver=everything&state=dead", f"/api/deliveries?job={_JOB}"),
    *("/api/receivers", "/api/accounts", "/", "/?active=true", "/?text=nothing", f"/jobs/{_JOB}", "/events"),
    *("/events?type=batch.failed", "/events?around=5000000", "/receivers", "/receivers/everything?state=superseded"),
    *("/receivers/ends", "/receivers/unreachable", "/accounts"),
]


async def answers(client, comparison, paths):
    """Ask for each path in turn; the slowest median, in seconds."""
    for path in paths * 9:
        with comparison.time(path):
            answer = await client.get(path)
        assert answer.status_code == 200, path
    return max(map(comparison.median, paths))


async def queries(reader, comparison, looks):
    """The same for each of `looks` at the reader."""
    for name in [*looks] * 9:
        with comparison.time(name):
            await looks[name](reader)
    return max(map(comparison.median, looks))


def _long_log(folder):
    path = Path(os.environ.get("LONG_LOG", folder / "tracker.db"))
    if not path.exists():
        long_log.write(path, EVENTS)
    return path


def _installed(folder, database, url):
    installation = Installation(folder, url, poll_interval="15s", requests_per_second=50, request_timeout="10s")
    installation.config.write_text(installation.config.read_text().replace(str(installation.database), str(database)))
    add_receivers(installation)
    return installation


def add_receivers(installation):
    """Those of `long_log`, and what their secret is."""
    installation.config.write_text(
        installation.config.read_text()
        + "".join(
            f'[[receivers]]\nname = "{name}"\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = {{ env = "SECRET" }}\n'
            for name in ("everything", "ends", "unreachable")
        )
    )
    installation.environment["SECRET"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def _forget(path):
    """Have nothing of the file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

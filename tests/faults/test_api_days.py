"""A week before an API that fails in every way, in compressed time: the log equals the truth."""

import logging
import signal

import pytest
import structlog
from compressed import DAY, HOUR, LATE, MINUTE, STALE_BY, Days
from loopback import unreachable_url
from matrix import matrix
from tracking import Installation, simulated

from tracker.simulator.faults.fault_options import TRANSIENT_FAULTS, Fault, parse
from tracker.store.database_file_commands import verify

UNREACHABLE, RECOVERED = "account.unreachable", "account.recovered"
AT_RANDOM = sorted((*TRANSIENT_FAULTS, "401", "402", "lagging"))
"""The kinds that strike one request of many; the others say something about the API, and about lists that are longer."""

ODD_JOBS = ("poisoned-get", "falling-total", "withdrawn", "late-output", "missing-counter", "same-second")
"""The faults of jobs, and of their creation, under which the log is the truth."""

KEEPS_WAITING = ("hang", "drip")
"""Each costs the real time of a deadline."""


def alone(kind):
    return [Fault(kind, 0.1 if kind in (*KEEPS_WAITING, "stale") else 0.4)]


def outages(events):
    return [(event["type"], event["data"]["reason"]) for event in events if event["type"] in (UNREACHABLE, RECOVERED)]


async def checked(days, *, believing=False):
    """The log and its types, once it holds; it may be one that believed what the API said twice, if `believing`."""
    events = await days.log()
    assert verify(days.path).differences == ()
    types = days.check(events)
    assert believing or not days.believed
    return events, types


@pytest.mark.slow
async def test_a_week_of_every_fault(tmp_path):
    """More than a third of all requests fail in every way, and some jobs are odd, with three restarts: the log is what was."""
    days = Days(tmp_path / "tracker.db", jobs=8, faults=[Fault(kind, 0.2) for kind in ODD_JOBS])
    faults = [fault for fault in parse("any:0.4") if fault.kind not in KEEPS_WAITING]
    for _ in range(4):
        async with days.running():
            await days.go_on(1.75 * DAY, faults)
    async with days.running():
        await days.go_on(3 * HOUR)
    events, types = await checked(days)
    assert set(days.simulator.faulted) >= set(TRANSIENT_FAULTS) - set(KEEPS_WAITING)
    assert len(events) > 500
    assert types.keys() >= {"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"}


@pytest.fixture(autouse=True)
def _compressed(monkeypatch):
    """Stale and late is what is older than the sweep before; what is said of thousands of sweeps is tested elsewhere."""
    monkeypatch.setattr("tracker.simulator.simulated_api.STALE_BY", STALE_BY)
    monkeypatch.setattr("tracker.simulator.faults.job_and_file_faults.LATE", LATE)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("kind", matrix(AT_RANDOM))
async def test_a_day_of_one_fault(tmp_path, kind):
    """Each fault by itself, as often as it may be: the same."""
    days = Days(tmp_path / "tracker.db", jobs=4)
    async with days.running():
        await days.go_on(14 * HOUR, alone(kind))
        await days.go_on(3 * HOUR)
    await checked(days)
    assert days.simulator.faulted[kind] > 0


@pytest.mark.parametrize("kind", matrix(ODD_JOBS))
async def test_a_day_of_odd_jobs(tmp_path, kind):
    """Jobs that are all odd in one way, of an API that now and then is stale: the same."""
    days = Days(tmp_path / "tracker.db", jobs=4, faults=[Fault(kind, 1.0)])
    async with days.running():
        await days.go_on(14 * HOUR, parse("stale:0.1"))
        await days.go_on(3 * HOUR)
    events, _ = await checked(days)
    assert len(events) > 30


@pytest.mark.slow
async def test_hours_without_jobs(tmp_path):
    """For a sweep, and for two hours, the API has no jobs, as with another key: none is deleted, no end is lost."""
    days = Days(tmp_path / "tracker.db", jobs=6, every=10 * MINUTE)
    async with days.running():
        await days.go_on(6 * HOUR)
        for seconds in (MINUTE, 2 * HOUR):
            await days.go_on(seconds, parse("no-jobs:1"))
            await days.go_on(3 * HOUR)
    events, _ = await checked(days)
    assert days.simulator.faulted["no-jobs"] > 10
    assert len(events) > 50


async def test_a_day_without_an_api_and_a_key_that_is_revoked(tmp_path):
    """A day of nothing and half a day of 401 are reported once each, with the reason, cost few requests, and lose nothing."""
    days = Days(tmp_path / "tracker.db", jobs=6, every=10 * MINUTE)
    async with days.running():
        await days.go_on(6 * HOUR)
    with unreachable_url() as url:
        async with days.running(url):
            await days.go_on(DAY)
    async with days.running():
        await days.go_on(6 * HOUR)
        before = days.simulator.requests.total()
        days.simulator._api_keys = ("another",)
        await days.go_on(DAY / 2)
        assert days.simulator.requests.total() - before <= DAY / 2 / (10 * MINUTE * 0.75) + 3, "no more than there are waits"
        days.simulator._api_keys = ()
        await days.go_on(6 * HOUR)
    events, _ = await checked(days)
    both = [(type_, reason) for reason in ("network", "unauthorised") for type_ in (UNREACHABLE, RECOVERED)]
    assert outages(events) == both


@pytest.mark.slow
async def test_a_key_that_is_revoked_and_replaced(tmp_path):
    """The real command, given a new key by SIGHUP, reports that the account was unreachable and why, and catches up."""
    file = tmp_path / "key"
    file.write_text("the old key")
    async with simulated(jobs=10, speed=60.0, api_keys=("the old key",)) as simulator:
        installation = Installation(tmp_path, simulator.url, unreachable_after="1s")
        text = installation.config.read_text()
        installation.config.write_text(text.replace('{ env = "MISTRAL_API_KEY" }', f'{{ file = "{file}" }}'))
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) > 20)
            simulator._api_keys = ("the new key",)
            events = await installation.wait_for_events(lambda events: outages(events) == [(UNREACHABLE, "unauthorised")])
            file.write_text("the new key")
            daemon.process.send_signal(signal.SIGHUP)
            both = [(UNREACHABLE, "unauthorised"), (RECOVERED, "unauthorised")]
            await installation.wait_for_events(lambda more: outages(more) == both and len(more) > len(events) + 20)
            ended = {id_ for id_, plan in simulator.workspace.plans.items() if plan.ended < simulator.clock()}
            await installation.wait_for_events(lambda events: ended <= known_ends(events))
            assert await daemon.stop(signal.SIGTERM) == 0
    assert verify(installation.database).differences == ()


def known_ends(events):
    return {event["data"]["id"] for event in events if event["data"].get("completed_at")}


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", [*AT_RANDOM, "any"])
async def test_a_week_of(tmp_path, kind):
    """Each fault for a whole week, looked at every quarter of an hour; and all of them together, every minute."""
    days = Days(tmp_path / "tracker.db", jobs=20, every=MINUTE if kind == "any" else 15 * MINUTE)
    faults = parse("any:0.2") if kind == "any" else alone(kind)
    async with days.running():
        await days.go_on(7 * DAY, faults)
        await days.go_on(3 * HOUR)
    events, _ = await checked(days, believing=kind in ("stale", "any"))
    spoilt = f"{days.simulator.faulted.total()} of {days.simulator.requests.total()} requests spoilt"
    misled = f"{len(days.misled)} misled, {days.believed} times believed"
    figures = f"{days.sweeps} sweeps, {misled}, {spoilt}, {len(events)} events, {len(days.workspace.plans)} jobs"
    print(f"{kind}: {figures}")  # noqa: T201 - of a long run
    assert days.simulator.faulted.total() > 10

"""Which workers run as leases come and go, on a real store and over real HTTP: no request and no attempt without its lease."""

import json
from contextlib import asynccontextmanager
from math import inf

import anyio
import anyio.lowlevel
import pytest
from job_changes import seen
from loopback import answer, hangs, loopback, sends
from msgspec.structs import replace
from receiving import receiving
from structlog.testing import capture_logs
from waiting import until

from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.model import ResultsConfig
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.health.readiness import AccountHealth, Health, HeldElsewhere
from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease, receiver_lease
from tracker.daemon import supervisor as supervisor_module
from tracker.daemon.supervisor import Supervisor
from tracker.daemon.workers import run_while_leased
from tracker.daemon.workers.dependencies import Dependencies
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.metrics import Metrics
from tracker.store.opening import open_store

LIFE = 20.0
ONE, TWO = account_lease("one"), account_lease("two")
HOOK, OTHER = receiver_lease("hook"), receiver_lease("other")
ALL = {ONE, TWO, HOOK, OTHER, MAINTENANCE_LEASE}
NO_JOBS = answer(json.dumps({"object": "list", "data": [], "total": 0}).encode())


class ShiftingLeases:
    """Leases that a test gives and takes."""

    def __init__(self):
        self.wanted, self.held, self.giving_back, self.invalid = set(), set(), set(), set()
        self.released, self.reports = [], {}
        self._changed, self._released = anyio.Event(), anyio.Event()

    def request(self, wanted):
        self.wanted = set(wanted)

    def assigned(self):
        return frozenset(self.held & self.wanted)

    def releasing(self):
        return frozenset(self.giving_back)

    def is_valid(self, key):
        return key in self.held | self.giving_back and key not in self.invalid

    def changed(self):
        return self._changed

    async def release(self, key):
        self.giving_back.discard(key)
        self.released.append(key)
        self._released.set()
        self._released = anyio.Event()

    def report(self, key, report):
        self.reports[key] = report

    async def have(self, *held, giving_back=()):
        """From now on these are held, and those are to be given back; what follows at once has happened at the end."""
        self.change(held, giving_back)
        await anyio.wait_all_tasks_blocked()

    def change(self, held, giving_back=()):
        """Begin with what `have` does."""
        self.held, self.giving_back = set(held), set(giving_back)
        self._changed.set()
        self._changed = anyio.Event()

    async def until_released(self, key):
        while key not in self.released:
            await self._released.wait()


@asynccontextmanager
async def supervised(path, *held, hook="http://127.0.0.1:1", api="http://127.0.0.1:1"):
    """A supervisor of two accounts and two receivers, one of them `hook`, that has these leases."""
    accounts = tuple(
        Account(name=name, api_key=Secret(name), base_url=api, poll_interval=3600.0, requests_per_second=1000.0)
        for name in ("one", "two")
    )
    receivers = tuple(
        WebhookReceiver(name=name, url=Secret(url), events=("*",), timeout=LIFE)
        for name, url in (("hook", hook), ("other", hook))
    )
    config = Config(source=None, storage=Storage(path / "tracker.db"), http=Http(), accounts=accounts, receivers=receivers)
    with anyio.fail_after(LIFE):
        async with open_store(config.storage.path) as store, anyio.create_task_group() as group:
            store.leases = ShiftingLeases()
            store.leases.held = set(held)
            dependencies = Dependencies(store, Health(replica="a"), Metrics(is_replica=True), is_replica=True)
            supervisor = Supervisor(group, dependencies, config)
            supervisor.store, supervisor.leases = store, store.leases
            await anyio.wait_all_tasks_blocked()
            yield supervisor
            group.cancel_scope.cancel()


def at_work(supervisor):
    """The names of those that have workers."""
    registries = (supervisor._watchers, supervisor._deliverers)
    return {name for registry in registries for name in ("one", "two", "hook", "other") if registry.workers(name)}


async def test_only_what_is_held_and_configured_is_worked_on(tmp_path):
    """Workers, health and metrics follow the leases; all that the configuration has is requested."""
    async with supervised(tmp_path, ONE, HOOK) as supervisor:
        assert supervisor.leases.wanted == ALL
        assert at_work(supervisor) == {"one", "hook"}
        await supervisor.leases.have(TWO, OTHER, receiver_lease("not configured"))
        assert at_work(supervisor) == {"two", "other"}
        assert [*supervisor.dependencies.health.accounts] == ["two"]
        page = supervisor.dependencies.metrics.render().decode()
        assert ('account="one"' in page, 'account="two"' in page) == (False, True)
        sent = "".join(line for line in page.splitlines() if "deliveries_silenced" not in line)  # that counts who logs
        assert ('receiver="hook"' in sent, 'receiver="other"' in sent) == (False, True)


async def test_thousands_of_accounts_start_a_few_at_a_time(tmp_path, monkeypatch):
    """Between the starts of workers the loop has time for all else: the lease would end before it could be renewed."""
    monkeypatch.setattr(supervisor_module, "NEW_AT_ONCE", 20)
    names = [f"account-{number}" for number in range(100)]
    async with supervised(tmp_path) as supervisor:
        one, _ = supervisor.config.accounts
        accounts = tuple(replace(one, name=name) for name in names)
        supervisor.apply(replace(supervisor.config, accounts=accounts, receivers=()))
        sizes, assign = [], supervisor._watchers.assign
        monkeypatch.setattr(supervisor._watchers, "assign", lambda specs: [sizes.append(len(specs)), assign(specs)])
        turns = []
        supervisor.leases.change(map(account_lease, names))
        while sizes[-1:] != [len(names)]:
            turns += sizes[-1:]
            await anyio.lowlevel.checkpoint()
        assert sizes == [20, 40, 60, 80, 100]
        assert {20, 40, 60, 80} == {*turns}
        assert supervisor._assigned == frozenset(map(account_lease, names))


async def test_changes_of_leases_are_counted(tmp_path):
    """What is acquired, given back and lost has a counter for each kind, and what is held a gauge."""
    async with supervised(tmp_path, ONE, TWO, HOOK) as supervisor:
        await supervisor.leases.have(ONE, MAINTENANCE_LEASE, giving_back=[TWO])
        await supervisor.leases.until_released(TWO)
        page = supervisor.dependencies.metrics.render().decode().splitlines()
        values = dict(line.removeprefix("batchtracker_").rsplit(" ", 1) for line in page if "lease" in line and line[0] != "#")
        assert {name: float(value) for name, value in values.items() if float(value)} == {
            'lease_changes_total{change="acquired",kind="account"}': 2,
            'lease_changes_total{change="acquired",kind="receiver"}': 1,
            'lease_changes_total{change="acquired",kind="maintenance"}': 1,
            'lease_changes_total{change="released",kind="account"}': 1,
            'lease_changes_total{change="lost",kind="receiver"}': 1,
            'replica_leases{kind="account"}': 1,
            'replica_leases{kind="maintenance"}': 1,
        }


async def test_a_reload_changes_what_is_requested(tmp_path):
    """A receiver that is taken out of the configuration is not requested any more, a new account is."""
    async with supervised(tmp_path, *ALL) as supervisor:
        one, two = supervisor.config.accounts
        supervisor.apply(replace(supervisor.config, accounts=(one, two, replace(one, name="three")), receivers=()))
        assert supervisor.leases.wanted == {ONE, TWO, account_lease("three"), MAINTENANCE_LEASE}


async def test_only_the_maintainer_prunes_and_expires(tmp_path):
    """Deliveries and archived files are kept until the holder of the log's lease removes them; time limits go by account."""
    async with supervised(tmp_path, ONE) as supervisor:
        results = ResultsConfig(archive=str(tmp_path / "archive"), keep=60.0)
        supervisor.apply(replace(supervisor.config, results=results))
        for held, keep, keep_deliveries in (
            ({ONE}, inf, None),
            ({TWO, MAINTENANCE_LEASE}, 60.0, Storage(None).keep_deliveries),
        ):
            await supervisor.leases.have(*held)
            assert [worker._spec.keep for worker in supervisor._retention.workers("log")] == [keep]
            assert supervisor._maintenance._keep_deliveries == keep_deliveries
            assert {account_lease(name) for name in supervisor._maintenance._limits} == held - {MAINTENANCE_LEASE}


async def pending(supervisor, *jobs):
    """Log jobs, whose events go to both receivers."""
    await supervisor.store.record("one", [seen(job, account="one") for job in jobs])


async def attempts(supervisor):
    return await supervisor.store._database.fetch("SELECT count(*) FROM attempts")


async def is_settled(supervisor):
    return await attempts(supervisor) == [(1,)]


async def test_lost_receiver_ends_at_once(tmp_path):
    """What is under way to a receiver whose lease is lost is cut off, and settles nothing."""
    async with loopback(hangs()) as hanging, supervised(tmp_path, ONE, HOOK, hook=hanging.url) as supervisor:
        await pending(supervisor, "job-1")
        await hanging.wait_for(1)
        await supervisor.leases.have(ONE)
        await hanging.gone.wait()
        await until(lambda: at_work(supervisor) == {"one"})
        assert await attempts(supervisor) == [(0,)]
        assert supervisor.leases.released == []


async def test_receiver_is_given_back_once_its_attempts_are_settled(tmp_path):
    """A receiver that another replica is to have settles what is under way first: nothing is sent twice."""
    may_answer = anyio.Event()

    async def slow(_number, _event):
        await may_answer.wait()
        return 200

    async with receiving(slow) as receiver, supervised(tmp_path, ONE, HOOK, hook=receiver.url) as supervisor:
        await pending(supervisor, "job-1")
        await receiver.wait_for(1)
        await supervisor.leases.have(ONE, giving_back=[HOOK])
        assert (supervisor.leases.released, at_work(supervisor)) == ([], {"one", "hook"})
        may_answer.set()
        await supervisor.leases.until_released(HOOK)
        assert at_work(supervisor) == {"one"}
        assert await attempts(supervisor) == [(1,)]


async def test_receiver_that_hangs_is_given_back_all_the_same(tmp_path, monkeypatch):
    """Who is to have the receiver does not wait for an attempt that does not end."""
    monkeypatch.setattr(supervisor_module, "GIVE_BACK_WITHIN", 0.05)
    async with loopback(hangs()) as hanging, supervised(tmp_path, ONE, HOOK, hook=hanging.url) as supervisor:
        await pending(supervisor, "job-1")
        await hanging.wait_for(1)
        await supervisor.leases.have(ONE, giving_back=[HOOK])
        await supervisor.leases.until_released(HOOK)
        assert await attempts(supervisor) == [(0,)]


async def test_lease_that_comes_back_while_its_worker_ends(tmp_path, monkeypatch):
    """A receiver that is assigned again before it was given back has a worker afterwards, which is not canceled."""
    monkeypatch.setattr(supervisor_module, "GIVE_BACK_WITHIN", 0.05)
    async with loopback(hangs(), sends(answer())) as server, supervised(tmp_path, HOOK, hook=server.url) as supervisor:
        await pending(supervisor, "job-1")
        await server.wait_for(1)
        await supervisor.leases.have(giving_back=[HOOK])
        await supervisor.leases.have(HOOK)
        await until(lambda: is_settled(supervisor))
        assert at_work(supervisor) == {"hook"}


async def test_stop_gives_everything_back(tmp_path):
    """Once the supervisor is stopped nothing is requested, and what is assigned after that is not worked on."""
    async with supervised(tmp_path, *ALL) as supervisor:
        await supervisor.stop()
        assert supervisor.leases.wanted == set()
        supervisor.leases.wanted = ALL
        await supervisor.leases.have(ONE)
        assert at_work(supervisor) == set()


def times_refused(lines):
    """How often a worker was refused its lease, and restarted."""
    return sum(line["event"] == "lease.refused" for line in lines)


async def test_no_request_without_the_lease(tmp_path, monkeypatch):
    """An account whose lease has run out is not asked for, and is not said to fail; once it is held again it is polled."""
    monkeypatch.setattr(run_while_leased, "RESTART_AFTER", 0.01)
    async with loopback(sends(NO_JOBS)) as api, supervised(tmp_path, api=api.url) as supervisor:
        supervisor.leases.invalid = {ONE}
        with capture_logs() as lines:
            await supervisor.leases.have(ONE)
            await until(lambda: times_refused(lines) >= 3)
            assert api.requests == []
            supervisor.leases.invalid = set()
            health = supervisor.dependencies.health
            await until(lambda: health.accounts["one"].known)
        assert {line["event"] for line in lines if line["log_level"] in ("warning", "error")} == set()
        assert (health.accounts["one"].failure, health.storage_error) == (None, None)


async def test_pause_that_the_api_asked_for_outlasts_its_replica(tmp_path):
    """An account is polled at once by who takes it over, unless the API asked the replica before to wait: not before then."""
    async with loopback(sends(NO_JOBS)) as api, supervised(tmp_path, api=api.url) as supervisor:
        health, now = supervisor.dependencies.health, supervisor.store.now()
        limited, down = (Failure(reason, "") for reason in (Reason.RATE_LIMITED, Reason.NETWORK))
        held = {
            name: HeldElsewhere("b", AccountHealth(failure=failure, failing_since=now, due_at=now + 3_600_000))
            for name, failure in (("one", replace(limited, retry_after=3600.0)), ("two", down))
        }
        health.seen_elsewhere(held)
        await supervisor.leases.have(ONE, TWO)
        await until(lambda: health.accounts["two"].known)
        await anyio.wait_all_tasks_blocked()
        assert not health.accounts["one"].known
        assert supervisor._rate_limiters["one"][1]._paused_until == pytest.approx(anyio.current_time() + 3600, abs=LIFE)


async def test_no_attempt_without_the_lease(tmp_path, monkeypatch):
    """Nothing is sent to a receiver whose lease has run out, and no attempt counts; once it is held again it is served."""
    monkeypatch.setattr(run_while_leased, "RESTART_AFTER", 0.01)
    async with receiving() as receiver, supervised(tmp_path, hook=receiver.url) as supervisor:
        supervisor.leases.invalid = {HOOK}
        with capture_logs() as lines:
            await supervisor.leases.have(HOOK)
            await pending(supervisor, "job-1")
            await until(lambda: times_refused(lines) >= 3)
            assert (receiver.got, await attempts(supervisor)) == ([], [(0,)])
            supervisor.leases.invalid = set()
            await receiver.wait_for(1)
        assert {line["event"] for line in lines if line["log_level"] in ("warning", "error")} == set()


@pytest.mark.parametrize("method", ["checkpoint", "record"])
async def test_refused_write_is_no_trouble_of_the_store(tmp_path, monkeypatch, method):
    """A worker whose write is refused for want of the lease restarts: no error is logged, and the daemon stays ready."""
    monkeypatch.setattr(run_while_leased, "RESTART_AFTER", 0.01)
    async with loopback(sends(NO_JOBS)) as api, supervised(tmp_path, api=api.url) as supervisor:
        refusals, real = [], getattr(supervisor.store, method)

        async def refuse_twice(*arguments):
            if len(refusals) == 2:
                return await real(*arguments)
            refusals.append(arguments)
            raise LeaseLostError

        setattr(supervisor.store, method, refuse_twice)
        health = supervisor.dependencies.health
        with capture_logs() as lines:
            await supervisor.leases.have(ONE)
            await until(lambda: health.accounts["one"].known)
        assert len(refusals) == (2 if method == "checkpoint" else len(refusals))
        assert {line["event"] for line in lines if line["log_level"] in ("warning", "error")} == set()
        assert health.storage_error is None


async def test_daemon_survives_a_lease_and_a_store_that_are_lost_together(monkeypatch):
    """Where the database fails beside the refusal, the worker restarts too; any other exception is raised."""
    runs = []

    async def work():
        runs.append(1)
        if len(runs) == 1:
            raise ExceptionGroup("both", [LeaseLostError(), StorageError("down")])
        if len(runs) == 2:
            raise ExceptionGroup("a bug too", [LeaseLostError(), ZeroDivisionError()])

    monkeypatch.setattr(run_while_leased, "RESTART_AFTER", 0.0)
    with pytest.raises(ExceptionGroup, match="a bug too"):
        await run_while_leased.LeaseGuard(ShiftingLeases(), ONE).run(work)
    assert len(runs) == 2

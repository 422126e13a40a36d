"""Daemons that share one PostgreSQL database: they share the work, and each answers for all of it."""

from contextlib import asynccontextmanager

import anyio
import pytest
from daemon_replicas import configuration, daemon_replica
from job_changes import seen
from loopback import answer, loopback, sends
from metrics_reading import samples
from msgspec.structs import replace
from postgres_server import running_server
from receiving import receiving
from waiting import until

from tracker.daemon import watchdog

pytestmark = pytest.mark.xdist_group("daemons on PostgreSQL")

ACCOUNTS = ("one", "two", "three", "four")
NO_JOBS = answer(b'{"object": "list", "data": [], "total": 0}')


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Let daemons look at each other's reports more often than people need."""
    monkeypatch.setattr(watchdog, "PROBE_EVERY", 0.2)


LIVING = "SELECT name FROM batch_tracker.replicas"


@asynccontextmanager
async def shared(url, folder, answers=lambda _number, _event: 204):
    """The configuration of replicas with four accounts and two receivers, and the servers of receivers and API."""
    async with loopback(sends(NO_JOBS)) as api, receiving(answers) as receiver:
        receivers = {"hook": receiver.url, "team": receiver.url}
        yield configuration(url, folder, accounts=ACCOUNTS, api=api.url, receivers=receivers), receiver, api


async def shared_out(*replicas):
    """Wait until each account and each receiver is held, and evenly so."""
    share = len(ACCOUNTS) / len(replicas)
    await until(lambda: all(len(each.held("account")) == share for each in replicas))
    await until(lambda: sorted(name for each in replicas for name in each.held("receiver")) == ["hook", "team"])


async def test_two_daemons_share_the_work_and_answer_for_all_of_it(postgres_url, tmp_path):
    """Each polls its half; the API of both shows every account with its holder, and each series is on one page alone."""
    async with (
        shared(postgres_url, tmp_path) as (config, *_),
        daemon_replica(config, "a") as a,
        daemon_replica(config, "b") as b,
    ):
        await shared_out(a, b)
        assert a.held("account") | b.held("account") == set(ACCOUNTS)

        async def shown(replica):
            _, accounts = await replica.get("/api/accounts")
            return {each["name"]: each["replica"] for each in accounts["data"]}

        expected = {name: "a" if name in a.held("account") else "b" for name in ACCOUNTS}

        async def agreed():
            return await shown(a) == await shown(b) == expected

        await until(agreed)
        await all_ready(a, b)
        pages = [samples((await each.client.get("/metrics")).content) for each in (a, b)]
        ups = [dict(labels)["account"] for page in pages for name, labels in page if name == "batchtracker_account_up"]
        assert sorted(ups) == sorted(ACCOUNTS)
        assert sum(("batchtracker_last_seq", ()) in page for page in pages) == 1


async def test_command_on_one_daemon_reaches_the_receiver_of_another(postgres_url, tmp_path):
    """A receiver that said it is gone is enabled on the replica that does not serve it: the other sends at once."""
    gone = True

    def answers(_number, _event):
        return 410 if gone else 204

    async with (
        shared(postgres_url, tmp_path, answers) as (config, receiver, _),
        daemon_replica(config, "a") as a,
        daemon_replica(config, "b") as b,
    ):
        await shared_out(a, b)
        server, other = (a, b) if "hook" in a.held("receiver") else (b, a)
        account = next(iter(other.held("account")))
        await other.store.record(account, [seen("job-1", account=account)])

        async def is_disabled():
            _, receivers = await other.get("/api/receivers")
            return all(each["state"] == "disabled" for each in receivers["data"])

        await until(is_disabled)
        gone, before = False, len(receiver.got)
        answered = await other.client.post("/api/receivers/hook/enable", json={})
        assert answered.json() == {"enabled": True}
        await receiver.wait_for(before + 1)
        assert server.supervisor.receivers == ["hook", "team"]


async def test_deliveries_of_a_receiver_that_another_replica_serves_stay(postgres_url, tmp_path):
    """While configurations differ, as during a rolling change, no replica moves or drops what another replica is sending."""
    async with (
        shared(postgres_url, tmp_path) as (config, *_),
        daemon_replica(config, "a") as a,
        daemon_replica(replace(config, receivers=config.receivers[:1]), "b") as b,
    ):
        await until(lambda: "team" in a.held("receiver"))
        for change, body in (("move", {"to": "hook"}), ("drop", {})):
            answered = await b.client.post(f"/api/receivers/team/{change}", json=body)
            assert (answered.status_code, "replica 'a'" in answered.json()["detail"]) == (409, True)
        answered = await b.client.post("/api/receivers/team/drop", json={"dead": True})
        assert (answered.status_code, "replica" in answered.json()["detail"]) == (404, False)


async def test_daemon_that_stops_hands_over_at_once(postgres_server, postgres_url, tmp_path):
    """A replica that is stopped gives its leases back before it ends, so the other need not wait until they expire."""
    async with shared(postgres_url, tmp_path) as (config, *_), daemon_replica(config, "a") as a:
        async with daemon_replica(config, "b") as b:
            await shared_out(a, b)
        assert postgres_server.fetch(LIVING, database=postgres_url.rpartition("/")[2]) == [("a",)]
        await shared_out(a)
        await until(lambda: all(a.supervisor.dependencies.health.accounts[name].known for name in ACCOUNTS))


async def delivered(replicas, receiver, job):
    """Log a job by the replica that holds the account `one`, and wait until both receivers have its event."""
    (holder,) = [each for each in replicas if "one" in each.held("account")]
    await holder.store.record("one", [seen(job, account="one")])
    await until(lambda: sum(event["data"].get("id") == job for event in receiver.got) == 2)


async def all_ready(*replicas):
    async def are_ready():
        return [await each.readiness() for each in replicas] == [(200, [])] * len(replicas)

    await until(are_ready)


@pytest.mark.slow
@pytest.mark.parametrize("outlasts_leases", [False, True])
async def test_outage_of_the_database_ends_no_daemon(tmp_path, outlasts_leases):
    """While the database is away every daemon lives, is not ready and says why; it goes on within moments of its return.

    Once its leases are over it asks no API any more.
    """
    with running_server() as server:
        async with (
            shared(server.url(server.create_database()), tmp_path) as (config, receiver, api),
            daemon_replica(config, "a") as a,
            daemon_replica(config, "b") as b,
        ):
            await shared_out(a, b)
            await all_ready(a, b)
            await delivered((a, b), receiver, "before")
            await anyio.to_thread.run_sync(lambda: server.stop(immediately=True))
            for each in (a, b):
                status, reasons = await each.readiness()
                assert (status, [reason.partition(":")[0] for reason in reasons]) == (503, ["storage"])
                assert (await each.client.get("/metrics")).status_code == 200
                assert (await each.client.get("/api/jobs")).status_code == 503
            if outlasts_leases:
                await until(
                    lambda: not any(each.held(kind) for each in (a, b) for kind in ("account", "receiver", "maintenance"))
                )
                await anyio.wait_all_tasks_blocked()
                before = len(api.requests)
                await anyio.sleep(1)  # five intervals
                assert len(api.requests) == before
            await anyio.to_thread.run_sync(server.start)
            back_at = anyio.current_time()
            await until(lambda: a.held("account") | b.held("account") == set(ACCOUNTS))
            await all_ready(a, b)
            await delivered((a, b), receiver, "after")
            assert anyio.current_time() - back_at < 5

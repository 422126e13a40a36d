"""Replicas on one PostgreSQL: they share what there is to do, and none works on what another one has.

Stores within one process stand for replicas. Those that are lost are rows that nothing renews: no test waits for one to expire.
"""

import json
import sys
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from job_changes import seen
from tcp_proxy import TcpProxy

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import InUseError, StorageError
from tracker.core.events.event import plain_event
from tracker.core.ports.store import Checkpoint
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease, receiver_lease
from tracker.core.replicas.lease_times import LeaseTimes
from tracker.core.replicas.lost_replicas import Sighting
from tracker.store.opening import open_reader, open_store_as_owner
from tracker.store.postgres.leases import lease_table
from tracker.store.postgres.leases.admission import Admission
from tracker.store.postgres.leases.lease_table import Member
from tracker.store.postgres.leases.process_identity import has_ended, own_process
from tracker.store.postgres.leases.replica import open_postgres_replica
from tracker.store.postgres.leases.replica_context import ReplicaSetup
from tracker.store.postgres.server_clock import boot_time

pytestmark = pytest.mark.xdist_group("postgres")

DUE = 10
"""Seconds within which happens what is not to wait for the next renewal; they only end a hang."""

SLOW = LeaseTimes(valid=600, renew=300)
"""Nothing expires, and nothing is renewed unless it is asked for."""

QUICK = LeaseTimes(valid=600, renew=0.05, retry=0.05)
"""Nothing expires, and the next renewal is near."""

ACCOUNTS = [account_lease(name) for name in ("default", "b", "c", "d")]
WANTED = frozenset([*ACCOUNTS, receiver_lease("pipeline"), receiver_lease("b"), MAINTENANCE_LEASE])


GHOST = """
INSERT INTO @replicas (name, instance, process, version, joined_at, renewed_at, expires_at)
SELECT $1, $1 || '-1', $2, '9', moment - 60000, moment - 15000, moment + $3::bigint
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS moment) AS now"""


class Clock:
    """The machine's clock, which a test can put ahead: the process slept."""

    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return boot_time() + self.ahead


class Cluster:
    def __init__(self, address, server):
        self.address = address
        self._server = server
        self._database = address.url.rpartition("/")[2]

    @asynccontextmanager
    async def replica(self, name, wanted=WANTED, *, times=SLOW, port=None, **options):
        """A replica that wants these, and gives back at once what it is to give back, as if its workers stopped at once."""
        url = self._server.url(self._database, port=port)
        address = msgspec.structs.replace(self.address, replica=name, url=url)
        async with open_postgres_replica(address, times=times, **options) as store, anyio.create_task_group() as group:
            group.start_soon(give_back, store.leases)
            store.leases.request(wanted)
            yield store
            group.cancel_scope.cancel()

    def fetch(self, sql, *arguments):
        return self._server.fetch(sql.replace("@", "batch_tracker."), *arguments, database=self._database)

    def holders(self):
        return dict(self.fetch("SELECT name, holder FROM @leases WHERE kind = 'account'"))

    def events(self, type_):
        rows = self.fetch("SELECT body FROM @events WHERE type = $1 ORDER BY seq", type_)
        return [json.loads(body)["data"] for (body,) in rows]

    def ghost(self, name="ghost", *keys, expires_in=0.0, process=""):
        """A replica that holds `keys` and does nothing, whose leases end in `expires_in` seconds."""
        self.fetch(GHOST, name, process, round(expires_in * 1000))
        for key in keys:
            self.fetch(
                "INSERT INTO @leases (kind, name, holder, instance, epoch, since) VALUES ($1, $2, $3, $3 || '-1', 7, 0)",
                key.kind,
                key.name,
                name,
            )


async def give_back(leases):
    while True:
        changed = leases.changed()
        for key in leases.releasing():
            await leases.release(key)
        await changed.wait()


async def until(condition, *stores):
    """Return once `condition()` holds; it is tried at each change of the leases of `stores`."""
    with anyio.fail_after(DUE):
        while not condition():
            with anyio.move_on_after(0.05):
                async with anyio.create_task_group() as group:
                    for store in stores:
                        group.start_soon(cancel_after, store.leases.changed(), group.cancel_scope)
                    await anyio.sleep_forever()


async def cancel_after(signal, scope):
    await signal.wait()
    scope.cancel()


@pytest.fixture
def cluster(postgres_address, postgres_server):
    return Cluster(postgres_address, postgres_server)


async def test_replica_alone_is_assigned_everything(cluster):
    """It joins, which is an event, and takes all that it wants without waiting for a renewal."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert all(a.leases.is_valid(key) for key in WANTED)
        (joined,) = cluster.events("replica.joined")
        assert (joined["replica"], sorted(joined)) == ("a", ["replica", "since", "version"])
    assert cluster.fetch("SELECT count(*) FROM @replicas") == [(0,)]
    assert set(cluster.holders().values()) == {None}
    assert cluster.events("replica.lost") == []


async def test_newcomer_is_given_its_share_at_once(cluster):
    """No renewal is waited for: who gives back and who takes tell each other."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        async with cluster.replica("b") as b:
            await until(lambda: len(b.leases.assigned()) == 3 and len(a.leases.assigned()) == 4, a, b)
            assert not a.leases.assigned() & b.leases.assigned()
            assert sorted(cluster.holders().values()) == ["a", "a", "b", "b"]
            epochs = dict(cluster.fetch("SELECT (kind, name)::text, epoch FROM @leases"))
            assert sorted(epochs.values()) == [1, 1, 1, 1, 2, 2, 2]


async def test_what_a_replica_leaves_is_taken_at_once(cluster):
    """A replica that stops in good order gives everything back, and no event calls it lost."""
    async with cluster.replica("a") as a:
        async with cluster.replica("b") as b:
            await until(lambda: len(b.leases.assigned()) == 3, a, b)
        await until(lambda: a.leases.assigned() == WANTED, a)
    assert cluster.events("replica.lost") == []


async def test_lease_is_held_until_its_worker_has_stopped(cluster):
    """A newcomer does not get what the holder still works on."""
    address = msgspec.structs.replace(cluster.address, replica="a")
    async with open_postgres_replica(address, times=QUICK) as a:
        a.leases.request(WANTED)
        await until(lambda: a.leases.assigned() == WANTED, a)
        async with cluster.replica("b", times=QUICK) as b:
            await until(lambda: len(a.leases.releasing()) == 3, a)
            kept = a.leases.releasing()
            await renewed(b)
            assert all(map(a.leases.is_valid, kept))
            assert b.leases.assigned() == frozenset()
            for key in kept:
                await a.leases.release(key)
            await until(lambda: b.leases.assigned() == kept, b)


async def test_what_the_configuration_no_longer_has_is_forgotten(cluster):
    """Its row is deleted once no replica wants it, and made again when one does."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        a.leases.request(WANTED - {ACCOUNTS[0]})
        await until(lambda: cluster.holders().keys() == {"b", "c", "d"}, a)
        a.leases.request(WANTED)
        await until(lambda: a.leases.assigned() == WANTED, a)


async def test_replicas_of_different_configurations_share_what_both_have(cluster):
    """During a change of the configuration each gets only what it knows."""
    async with cluster.replica("a", ACCOUNTS[:3]) as a, cluster.replica("b", ACCOUNTS[1:]) as b:
        await until(lambda: len(a.leases.assigned()) == len(b.leases.assigned()) == 2, a, b)
        assert a.leases.assigned() | b.leases.assigned() == set(ACCOUNTS)
        assert ACCOUNTS[0] in a.leases.assigned()
        assert ACCOUNTS[3] in b.leases.assigned()


async def test_what_a_replica_of_another_configuration_works_on_is_no_orphan(cluster, postgres_address):
    """No line advises to drop the deliveries of a receiver that is served; once its replica is lost they are orphans."""
    cluster.ghost("ghost", receiver_lease("other"), account_lease("theirs"), expires_in=600)
    async with cluster.replica("a") as store, open_reader(postgres_address) as reader:
        store.subscribe([Subscription(receiver="other", events=("*",))])
        async with open_store_as_owner(postgres_address) as elsewhere:  # it needs no lease
            elsewhere.subscribe([Subscription(receiver="other", events=("*",))])
            await elsewhere.record("theirs", [seen("job", account="theirs", status="RUNNING")])
        assert await store.orphans([], []) == await reader.orphans([], []) == Orphans()
        cluster.fetch("UPDATE @replicas SET expires_at = 0 WHERE name = 'ghost'")
        found = await reader.orphans([], [])
        assert (found, {*found.receivers}, found.accounts) == (await store.orphans([], []), {"other"}, {"theirs": 1})


async def test_lost_replica_is_removed_once_and_what_it_held_is_taken(cluster):
    """Two others see it silent for long enough; one event says so, with how much it held."""
    cluster.ghost("ghost", *ACCOUNTS[:3], receiver_lease("b"), MAINTENANCE_LEASE)
    async with cluster.replica("a", times=QUICK) as a, cluster.replica("b", times=QUICK) as b:
        await until(lambda: a.leases.assigned() | b.leases.assigned() == WANTED, a, b)
        await renewed(a, b)
        (lost,) = cluster.events("replica.lost")
        assert (lost["replica"], lost["version"], lost["accounts"], lost["receivers"]) == ("ghost", "9", 3, 1)
        assert dict(cluster.fetch("SELECT name, epoch FROM @leases WHERE kind = 'account'"))["default"] == 8


async def renewed(*stores):
    """Each of the stores has renewed once from now on."""
    for store in stores:
        valid_until = store.leases.valid_until
        store.leases.ask_for_work()
        await until(lambda store=store, valid_until=valid_until: store.leases.valid_until > valid_until, store)


async def test_replica_whose_leases_have_not_expired_is_not_removed(cluster):
    """It was not seen to renew for long, but its leases are still valid by the server's clock."""
    cluster.ghost("ghost", ACCOUNTS[0], expires_in=900)
    async with cluster.replica("a", times=QUICK) as a:
        watched_from = boot_time()
        while boot_time() < watched_from + 2 * QUICK.seen:
            await renewed(a)
        assert cluster.events("replica.lost") == []
        assert cluster.holders()["default"] == "ghost"


async def test_nothing_is_recorded_under_a_lease_that_another_one_took(cluster):
    """Who believes to hold a lease writes nothing once another holds it: neither changes nor events."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        await a.checkpoint("default", Checkpoint(since=1, horizon=1))
        cluster.fetch("UPDATE @leases SET instance = 'other', holder = 'b', epoch = epoch + 1 WHERE name = 'default'")
        assert a.leases.is_valid(account_lease("default"))
        before = cluster.fetch("SELECT seq FROM @log_head")
        with pytest.raises(LeaseLostError, match="account 'default'"):
            await a.record("default", [seen("job")])
        with pytest.raises(LeaseLostError):
            await a.append([plain_event("account.unreachable", "default", {}, 1)])
        assert cluster.fetch("SELECT seq FROM @log_head") == before
        assert cluster.fetch("SELECT count(*) FROM @jobs") == [(0,)]
        await until(lambda: account_lease("default") not in a.leases.assigned(), a)
        await a.checkpoint("b", Checkpoint(since=1, horizon=1))
        await a.record("b", [seen("job", account="b")])


async def test_epoch_tells_a_lease_from_the_same_one_held_before(cluster):
    """A lease that was lost and came back is another one: what was begun under the old one is not written."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        cluster.fetch("UPDATE @leases SET epoch = epoch + 1 WHERE name = 'default'")
        with pytest.raises(LeaseLostError):
            await a.record("default", [seen("job")])
        await until(lambda: a.leases.held().get(account_lease("default")) == 3, a)
        await a.record("default", [seen("job")])


async def test_lease_that_was_lost_is_seen_to_be_lost_before_it_is_taken_again(cluster):
    """A free lease that this replica still believed to hold: its worker stops first, since another one may have worked."""
    async with cluster.replica("a") as a, anyio.create_task_group() as group:
        await until(lambda: a.leases.assigned() == WANTED, a)
        states = []
        group.start_soon(watch, a.leases, states)
        cluster.fetch("UPDATE @leases SET instance = NULL, holder = NULL WHERE kind = 'account' AND name = 'default'")
        a.leases.ask_for_work()
        await until(lambda: a.leases.held().get(account_lease("default")) == 2, a)
        assert WANTED - {account_lease("default")} in states
        group.cancel_scope.cancel()


async def watch(leases, states):
    while True:
        changed = leases.changed()
        states.append(leases.assigned())
        await changed.wait()


@pytest.mark.slow
async def test_lease_is_valid_from_when_its_renewal_was_sent(cluster, postgres_server):
    """Not from when the answer came: the server may have counted from any moment between."""
    serving = TcpProxy(("127.0.0.1", postgres_server.port)).serving()
    async with serving as proxy, cluster.replica("a", port=proxy.port) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        proxy.delay = 0.05
        asked_at = boot_time()
        await renewed(a)
        took = boot_time() - asked_at
        assert a.leases.valid_until <= boot_time() + SLOW.valid - SLOW.safety - took / 2


async def test_replica_that_has_renewed_meanwhile_is_not_removed(cluster):
    """What was seen to be silent may have renewed before it is removed."""
    cluster.ghost("ghost", ACCOUNTS[0])
    async with cluster.replica("a") as a:
        log = a.log
        admission = Admission(ReplicaSetup(Member("a", "x", "", "1", None), log.sender), log)
        (renewed_at,) = cluster.fetch("SELECT renewed_at FROM @replicas WHERE name = 'ghost'")[0]
        assert not await admission.remove(Sighting("ghost-1", renewed_at - 1, 0))
        assert cluster.events("replica.lost") == []
        assert await admission.remove(Sighting("ghost-1", renewed_at, 0))
        assert not await admission.remove(Sighting("ghost-1", renewed_at, 0))
        assert len(cluster.events("replica.lost")) == 1


async def test_process_that_slept_has_no_lease_before_it_renews(cluster):
    """By its own clock, at once, and without asking the database; then it takes up again under a higher epoch."""
    clock = Clock()
    async with cluster.replica("a", clock=clock) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        clock.ahead += SLOW.valid - SLOW.safety
        assert a.leases.assigned() == frozenset()
        assert not a.leases.is_valid(account_lease("default"))
        with pytest.raises(LeaseLostError):
            await a.record("default", [seen("job")])
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert set(a.leases.held().values()) == {2}


async def test_transaction_under_a_lease_is_over_before_another_one_takes_it(cluster):
    """Who removes a lost replica waits for what that one is just writing: two never write under one lease."""
    async with cluster.replica("a") as a, cluster.replica("b", []) as b:
        await until(lambda: a.leases.assigned() == WANTED, a)
        order, begun, go_on = [], anyio.Event(), anyio.Event()

        async def work(_connection):
            begun.set()
            await go_on.wait()
            order.append("written")

        async def remove():
            await b.database.write(
                "removing",
                lambda connection: connection.execute(
                    "UPDATE leases SET instance = NULL WHERE name = 'default' AND kind = 'account'"
                ),
            )
            order.append("taken")

        async with anyio.create_task_group() as group:
            group.start_soon(lambda: a.database.write("writing", work, lease=account_lease("default")))
            await begun.wait()
            group.start_soon(remove)
            await blocked(cluster)
            go_on.set()
        assert order == ["written", "taken"]


async def blocked(cluster):
    """A statement waits for a lock."""
    await until(lambda: cluster.fetch("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") != [(0,)])


async def test_replica_that_others_removed_loses_everything_and_joins_again(cluster):
    """It was taken for lost although it lives."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        lost = a.leases.changed()
        cluster.fetch("UPDATE @leases SET instance = NULL, holder = NULL; ")
        cluster.fetch("DELETE FROM @replicas")
        a.leases.ask_for_work()
        with anyio.fail_after(DUE):
            await lost.wait()
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert set(a.leases.held().values()) == {2}
        assert len(cluster.events("replica.joined")) == 2


async def test_second_process_of_one_name_is_refused_while_the_first_renews(cluster):
    """It does not wait for long, and the first goes on."""
    async with cluster.replica("a", times=QUICK) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        with pytest.raises(InUseError, match=r"'a' is in use by another process since .*storage\.replica"):
            async with cluster.replica("a", times=QUICK):
                pass
        assert a.leases.assigned() == WANTED


async def test_process_that_was_killed_is_replaced_at_once(cluster):
    """On the same machine its end can be seen: a restarted replica waits for nothing, and takes what it held."""
    said = "from tracker.store.postgres.leases.process_identity import own_process; print(own_process())"
    process = (await anyio.run_process([sys.executable, "-c", said])).stdout.decode().strip()
    cluster.ghost("a", *ACCOUNTS, expires_in=900, process=process)
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert [lost["replica"] for lost in cluster.events("replica.lost")] == ["a"]


async def test_name_of_a_process_elsewhere_is_taken_when_its_leases_have_expired(cluster):
    """Of another machine nothing is known: the end of its leases is waited for."""
    cluster.ghost("a", *ACCOUNTS, expires_in=0.3, process="another-machine pid:[1] 1 1")
    async with cluster.replica("a", times=QUICK) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
    assert [lost["replica"] for lost in cluster.events("replica.lost")] == ["a"]


def test_process_is_known_to_have_ended_only_if_it_has():
    """The own one runs; of what cannot be read nothing is known."""
    assert own_process()
    assert not any(map(has_ended, (own_process(), "", "x", "other pid:[1] 1 1")))
    assert has_ended(own_process().rpartition(" ")[0] + " 1")


async def test_black_hole_ends_what_is_held_in_time(cluster, postgres_server):
    """Renewals get no answer: nothing is held when the lease ends by the own clock, and all again when the network is back."""
    times = LeaseTimes(valid=2, renew=0.1, safety=0.5, answer=600, retry=0.1)
    serving = TcpProxy(("127.0.0.1", postgres_server.port)).serving()
    async with serving as proxy, cluster.replica("a", times=times, port=proxy.port) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        proxy.go_silent()
        valid_until = a.leases.valid_until
        await until(lambda: a.leases.held() == {}, a)
        assert boot_time() >= valid_until
        proxy.pass_on()
        await until(lambda: a.leases.assigned() == WANTED, a)


async def test_lease_whose_taking_got_no_answer_is_found(cluster, postgres_server):
    """The transaction that took it has committed, and its answer was lost: the next renewal takes it again."""
    serving = TcpProxy(("127.0.0.1", postgres_server.port)).serving()
    async with serving as proxy, cluster.replica("a", [], times=QUICK, port=proxy.port) as a:
        await renewed(a)
        cut = []
        proxy.cut_answer = lambda request: b"COMMIT" in request and not cut and not cut.append(request)
        a.leases.request(WANTED)
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert len(cut) == 1


async def test_report_is_shown_to_others(cluster):
    """What the holder reports stands with the lease, and is gone with the holder."""
    sql = "SELECT report FROM @leases WHERE kind = 'account' AND name = 'default'"
    async with cluster.replica("a") as a:
        a.leases.report(account_lease("default"), '{"healthy": true}')
        a.leases.report(account_lease("unknown"), "{}")
        await until(lambda: a.leases.assigned() == WANTED, a)
        await renewed(a)
        assert cluster.fetch(sql) == [('{"healthy": true}',)]
    assert cluster.fetch(sql) == [(None,)]


async def test_leases_are_read_only_when_something_has_changed(cluster, monkeypatch):
    """A quiet renewal costs the same whatever there is; what another one does, and what is lost, is seen by the next."""
    reads, read_leases = [], lease_table.read_leases
    monkeypatch.setattr(lease_table, "read_leases", lambda connection: reads.append(1) or read_leases(connection))
    clock = Clock()
    async with cluster.replica("a", clock=clock) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        await renewed(a)
        await renewed(a)
        before = len(reads)
        await renewed(a)
        assert len(reads) == before
        cluster.fetch("UPDATE @leases SET instance = NULL, holder = NULL WHERE kind = 'maintenance'")
        await renewed(a)
        await until(lambda: a.leases.held().get(MAINTENANCE_LEASE) == 2, a)
        await renewed(a)
        await renewed(a)
        clock.ahead += SLOW.valid
        assert a.leases.assigned() == frozenset()
        a.leases.ask_for_work()
        await until(lambda: a.leases.assigned() == WANTED, a)


async def test_renewal_waits_for_no_transaction_under_its_leases(cluster):
    """A large transaction of the same process holds a lease's row: reports wait for it, the renewal does not."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        key = account_lease("default")

        async def work(_connection):
            a.leases.report(key, "1")
            await renewed(a)
            assert a.leases.unwritten_reports() == {key: "1"}

        await a.database.write("writing", work, lease=key)
        await renewed(a)
        assert a.leases.unwritten_reports() == {}


async def test_account_that_comes_back_is_read_again(cluster):
    """What another replica recorded meanwhile is not hidden by what was in memory."""
    async with cluster.replica("a") as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        await a.checkpoint("default", Checkpoint(since=1, horizon=1))
        await a.record("default", [seen("first")])
        assert (await a.active_jobs("default")).keys() == {"first"}
        a.leases.request([])
        await until(lambda: not a.leases.held(), a)
        async with cluster.replica("b") as b:
            await until(lambda: b.leases.assigned() == WANTED, b)
            await b.record("default", [seen("second")])
        a.leases.request(WANTED)
        await until(lambda: a.leases.assigned() == WANTED, a)
        assert (await a.active_jobs("default")).keys() == {"first", "second"}


async def test_replica_that_cannot_give_back_leaves_all_the_same(cluster, postgres_server):
    """The database is gone when it stops: it ends, and its leases expire."""
    times = LeaseTimes(valid=600, renew=300, answer=0.2)
    serving = TcpProxy(("127.0.0.1", postgres_server.port)).serving()
    async with serving as proxy, cluster.replica("a", times=times, port=proxy.port) as a:
        await until(lambda: a.leases.assigned() == WANTED, a)
        proxy.reset()
        with pytest.raises(StorageError):
            await a.checkpoint("default", Checkpoint(since=1, horizon=1))
    assert len(cluster.fetch("SELECT name FROM @replicas")) == 1

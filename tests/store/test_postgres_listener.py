"""What other processes commit wakes this one: by notifications where they arrive, and by looking where they do not."""

from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from job_changes import CHECKPOINT, seen
from structlog.testing import capture_logs
from tcp_proxy import TcpProxy
from waiting import until

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.storage_error import StorageError
from tracker.store.postgres.notification_listener import Listeners, ListenerTimes, NotificationListener
from tracker.store.postgres.notification_sender import Signals
from tracker.store.postgres.writing.store import open_postgres_store

pytestmark = pytest.mark.xdist_group("postgres")

DUE = 10
"""Seconds; they only end a hang."""

ONLY_NOTIFIED = ListenerTimes(notified=3600, unnotified=3600, proof=DUE, retry=0.05)
"""Nothing is found by looking."""

ONLY_LOOKING = ListenerTimes(notified=3600, unnotified=0.05, proof=0.05, retry=0.05)
"""Notifications need not arrive."""

SUBSCRIPTIONS = [Subscription(receiver=name, events=("*",)) for name in ("pipeline", "other")]


class Heard:
    """A process that listens, and what its listener received."""

    def __init__(self, store):
        self.store = store
        self.wakeups = store.wakeups
        self.leases = anyio.Event()
        self.commanded = []
        self.hinted = []

    def leases_changed(self):
        self.leases.set()
        self.leases = anyio.Event()


@pytest.fixture
def address(postgres_address):
    return postgres_address


@asynccontextmanager
async def listening(address, times=ONLY_NOTIFIED, *, started=True):
    async with open_postgres_store(address) as store, anyio.create_task_group() as group:
        heard = Heard(store)
        first = heard.wakeups.log_grown()
        listeners = Listeners(heard.wakeups, heard.leases_changed, heard.commanded.append, heard.hinted.append)
        listener = NotificationListener(address, store.log.sender, store.database.fetch, listeners, times)
        group.start_soon(listener.run)
        if started:
            await come(first)
            await until(lambda: listener._arrive or times is ONLY_LOOKING)
        yield heard
        group.cancel_scope.cancel()


async def come(*signals):
    with anyio.fail_after(DUE):
        for signal in signals:
            await signal.wait()


def nowhere(address):
    """Its listening connection has the tables, and hears of nothing: notifications stay within one database."""
    base, _, _ = address.url.rpartition("/")
    return msgspec.structs.replace(address, listen_url=f"{base}/postgres")


async def test_commit_of_another_process_wakes_by_a_notification(address):
    """The log's readers, and the deliverers of the receivers that get the event, and no others."""
    async with listening(address) as heard, open_postgres_store(address, SUBSCRIPTIONS[:1]) as other:
        grown, pipeline = heard.wakeups.log_grown(), heard.wakeups.deliveries_changed("pipeline")
        unconcerned = heard.wakeups.deliveries_changed("other")
        await other.checkpoint("default", CHECKPOINT)
        await other.record("default", [seen("a")])
        await come(grown, pipeline)
        assert not unconcerned.is_set()


async def test_own_commit_wakes_once(address):
    """A process knows what it committed: its own notification wakes no reader a second time."""
    async with listening(address) as heard:
        heard.store.subscribe(SUBSCRIPTIONS)
        await heard.store.checkpoint("default", CHECKPOINT)
        await heard.store.record("default", [seen("a")])
        grown = heard.wakeups.log_grown()
        leases = heard.leases
        async with open_postgres_store(address) as other:  # its notification comes after the own one
            send = other.log.sender.send
            await other.database.write("notifying", lambda connection: send(connection, Signals(leases=True)))
        await come(leases)
        assert not grown.is_set()


async def test_command_of_another_process_is_received_once_and_the_own_never(address):
    """A deliverer learns that its receiver was changed by a command elsewhere; it knows its own process's commands."""
    async with listening(address) as heard, open_postgres_store(address) as other:
        await heard.store.enable_receiver("pipeline", 1)
        changed = heard.wakeups.deliveries_changed("other")
        await other.enable_receiver("other", 1)
        await come(changed)
        await until(lambda: heard.commanded)
        await other.enable_receiver("third", 1)
        await until(lambda: len(heard.commanded) > 1)
        assert heard.commanded == [{"other"}, {"third"}]


async def test_what_was_committed_while_the_connection_was_lost_is_found(address, postgres_server):
    """After the listening connection is made again everything is woken, and commands are found by their number."""
    database = address.url.rpartition("/")[2]
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy:
        through = msgspec.structs.replace(address, listen_url=postgres_server.url(database, port=proxy.port))
        async with listening(through) as heard, open_postgres_store(address, SUBSCRIPTIONS) as other:
            proxy.reset()
            await other.checkpoint("default", CHECKPOINT)
            await other.record("default", [seen("a")])
            await other.enable_receiver("other", 1)
            await until(lambda: heard.commanded == [{"other"}])
            grown, pipeline = heard.wakeups.log_grown(), heard.wakeups.deliveries_changed("pipeline")
            leases, archive = heard.leases, heard.wakeups.archive_changed()
            proxy.pass_on()
            await come(grown, pipeline, leases, archive)
            assert heard.commanded == [{"other"}]


async def test_silent_connection_is_found_to_be_lost(address, postgres_server):
    """A listening connection through which nothing comes any more is tried now and then, and given up."""
    database = address.url.rpartition("/")[2]
    times = ListenerTimes(notified=0.05, unnotified=0.05, proof=DUE, retry=0.05)
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy:
        through = msgspec.structs.replace(address, listen_url=postgres_server.url(database, port=proxy.port))
        async with listening(through, times):
            before = proxy.connections
            proxy.reset_connections()
            await until(lambda: proxy.connections > before)


async def test_lost_connection_that_is_made_again_is_no_warning(address):
    """A session that is ended, as in a failover, says nothing of poolers: the next one hears everything."""
    with capture_logs() as lines:
        async with listening(address) as heard, open_postgres_store(address, SUBSCRIPTIONS) as other:
            grown = heard.wakeups.log_grown()  # the next connection wakes everything
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            assert len(await other.database.fetch(f"{ended} AND datname = current_database()")) == 1
            await come(grown)
    assert lines == []


async def test_where_no_notification_arrives_changes_are_looked_for(address):
    """As through a pooler in transaction mode: one warning says what to do, and everything is found by looking."""
    with capture_logs() as lines:
        async with listening(nowhere(address), ONLY_LOOKING) as heard, open_postgres_store(address, SUBSCRIPTIONS) as other:
            await until(lambda: any(line["event"] == "notifications.undelivered" for line in lines))
            grown, pipeline = heard.wakeups.log_grown(), heard.wakeups.deliveries_changed("pipeline")
            await other.checkpoint("default", CHECKPOINT)
            await other.record("default", [seen("a")])
            await come(grown, pipeline)
            await other.enable_receiver("other", 1)
            await until(lambda: heard.commanded == [{"other"}])
    (line,) = [line for line in lines if line["event"] == "notifications.undelivered"]
    assert (line["log_level"], "storage.listen_url" in line["to_do"]) == ("warning", True)


async def test_unreachable_listening_address_is_logged_and_polling_replaces_it(address):
    """It is a mistake in the configuration, and no reason not to work."""
    wrong = msgspec.structs.replace(address, listen_url="postgresql://postgres:hush@127.0.0.1:1/x")
    with capture_logs() as lines:
        async with listening(wrong, ONLY_LOOKING, started=False) as heard, open_postgres_store(address) as other:
            await until(lambda: lines)
            await other.enable_receiver("other", 1)
            await until(lambda: heard.commanded == [{"other"}])
    assert [(line["event"], "to_do" in line) for line in lines] == [("notifications.undelivered", False)]
    assert "hush" not in str(lines)


async def test_rolled_back_transaction_wakes_no_reader(address):
    """What was not committed has not happened."""
    async with listening(address) as heard, open_postgres_store(address, SUBSCRIPTIONS) as other:
        grown = heard.wakeups.log_grown()
        await other.checkpoint("default", CHECKPOINT)
        with pytest.raises(StorageError):
            await other.record("default", [seen("a"), seen("a")])
        await other.enable_receiver("other", 1)
        await until(lambda: heard.commanded)
        assert not grown.is_set()


async def test_hints_of_another_process_arrive_and_the_own_never(address):
    """As they were sent; they wake nothing that waits for a commit."""
    hints = [("default", "batches/ä"), ("other", "b")]
    async with listening(address) as heard, open_postgres_store(address) as other:
        grown = heard.wakeups.log_grown()
        await heard.store.send_hints([("own", "a")])
        await other.send_hints(hints)
        await until(lambda: heard.hinted)
        assert heard.hinted == [hints]
        assert not grown.is_set()

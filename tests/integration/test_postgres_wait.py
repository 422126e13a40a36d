"""`wait` follows the log of PostgreSQL where live replicas hold the accounts that it is about, and else asks the API."""

import anyio
import pytest
from job_changes import moved, seen
from tcp_proxy import TcpProxy

from tracker.cli.wait import log_or_api_source
from tracker.cli.wait.log_or_api_source import LogOrApiSource
from tracker.cli.wait.state import Waiting
from tracker.cli.wait.view import LineView
from tracker.core.replicas.lease import account_lease
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_store

CONFIGURATION = """
[storage]
url = "{url}"
replica = "a"
[[accounts]]
name = "one"
api_key = {{ env = "NONE" }}
[[accounts]]
name = "two"
api_key = {{ env = "NONE" }}
"""


@pytest.fixture
def is_followed(tmp_path, postgres_address):
    """Whether a wait for a job of `account` follows the log; without one, whose account is not known."""
    file = tmp_path / "tracker.toml"
    file.write_text(CONFIGURATION.format(url=postgres_address.url))

    async def asked(account=None, known=None):
        waiting = Waiting(("job",), LineView(as_json=True, quiet=True))
        waiting.all[0].job = known and {"account": known, "id": "job"}
        return await LogOrApiSource(str(file), account, waiting, None)._is_daemon_running()

    return asked


async def _hold(store, *accounts):
    """Wait until the replica holds these accounts."""
    wanted = {account_lease(account) for account in accounts}
    store.leases.request(wanted)
    with anyio.fail_after(30):
        while not wanted <= store.leases.assigned():
            changed = store.leases.changed()
            if not wanted <= store.leases.assigned():
                await changed.wait()


async def test_log_is_followed_while_the_account_is_held(is_followed, postgres_address):
    """One account of two is held: a job of that one is followed, one of the other or of any is not; without replicas none."""
    assert not await is_followed("one")
    async with open_store(postgres_address) as store:
        assert not await is_followed("one")
        await _hold(store, "one")
        assert [await is_followed("one"), await is_followed("two"), await is_followed()] == [True, False, False]
        assert [await is_followed(known="one"), await is_followed(known="two")] == [True, False]
        await _hold(store, "one", "two")
        assert await is_followed()
    assert not await is_followed("one")


async def test_server_that_is_away_is_no_daemon(is_followed, tmp_path):
    """While PostgreSQL cannot be reached, `wait` asks the API."""
    file = tmp_path / "tracker.toml"
    file.write_text(CONFIGURATION.format(url=PostgresAddress(url="postgresql://127.0.0.1:1/t", replica="a").url))
    assert not await is_followed("one")


class Notices(LineView):
    """Keeps the notices, and says when there is a new one."""

    def __init__(self):
        super().__init__(as_json=True, quiet=True)
        self.said, self._more = [], anyio.Event()

    def job_changed(self, awaited):
        self.show_notice(f"{awaited.id} is shown")

    def show_notice(self, words):
        self.said.append(words)
        self._more.set()
        self._more = anyio.Event()

    async def says(self, words):
        with anyio.fail_after(30):
            while not any(words in each for each in self.said):
                await self._more.wait()


async def test_wait_outlives_a_database_that_is_away(tmp_path, postgres_server, postgres_address, monkeypatch):
    """While PostgreSQL is away a wait that cannot ask the API waits for it, and follows the log again once it is back."""
    monkeypatch.setattr(log_or_api_source, "RESTART_CHECK_SECONDS", 0.05)
    view = Notices()
    waiting, file = Waiting(("job-1",), view), tmp_path / "tracker.toml"
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy, open_store(postgres_address) as store:
        file.write_text(CONFIGURATION.format(url=postgres_server.url(_name(postgres_address), port=proxy.port)))
        await _hold(store, "one", "two")
        running = seen("job-1", status="RUNNING", account="one")
        await store.record("one", [running])
        async with anyio.create_task_group() as group:
            group.start_soon(LogOrApiSource(str(file), "one", waiting, None).run)
            await view.says("job-1 is shown")
            proxy.reset()
            await view.says("the log cannot be read: postgresql://postgres@127.0.0.1")
            await view.says("waiting for the daemon to come back")
            await store.record("one", [moved(running, status="SUCCESS")])
            proxy.pass_on()
        assert [each.job["status"] for each in waiting.all] == ["SUCCESS"]


def _name(address):
    return address.url.rpartition("/")[2]

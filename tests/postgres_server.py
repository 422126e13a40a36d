"""Owns a real PostgreSQL for tests: started at its first use, once in each worker, in a temporary folder, on loopback.

Binaries are those of Debian's `postgresql` or of the PATH, from 14 on. The server ends with the worker, even if that is killed.
"""

import asyncio
import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporary_files import reachable_by_all

OLDEST = 14
START_LIMIT = 60.0
"""Seconds; ends a hang."""
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "256MB",
    "log_line_prefix": "%m %a[%p] ",
}
UNSAFE = {"fsync": "off", "full_page_writes": "off"}
"""A killed server loses nothing by these, only a machine without power does."""

END_WITH_WORKER = """
trap '' INT TERM HUP
cat >/dev/null
[ -e "$0/data/postmaster.pid" ] && for end in CONT QUIT; do kill -$end "$(head -n 1 "$0/data/postmaster.pid")"; done
tries=0
while [ -e "$0/data/postmaster.pid" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$0"
"""
"""Reads to the end of a pipe that only the worker holds open: that is reached however the worker ends."""


def binaries() -> Path | None:
    """The folder of the newest server that is installed."""
    found = {path.parent.resolve() for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")}
    if in_path := shutil.which("postgres"):
        found.add(Path(in_path).resolve().parent)
    versions = {_version(folder): folder for folder in found if (folder / "initdb").exists()}
    return versions[max(versions)] if versions and max(versions) >= OLDEST else None


def _version(folder: Path) -> int:
    answer = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r" (\d+)", answer)[1])


def _account() -> dict:
    """Who the server runs as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


class PostgresServer:
    """A server of its own; every role may connect from loopback without a password, the superuser is `postgres`."""

    def __init__(self, folder: Path, bin_folder: Path, *, settings: dict[str, str] | None = None, fsync: bool = False) -> None:
        """`folder` is the server's alone; `settings` are parameters of postgresql.conf."""
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "log"
        self.port = _free_port()
        self._bin = bin_folder
        self._settings = SETTINGS | ({} if fsync else UNSAFE) | (settings or {})
        self._process: subprocess.Popen | None = None
        self._databases = 0
        self._templates: set[str] = set()
        self.tablespace = "pg_default"
        """Where the tables of new databases are."""

    def url(self, database: str = "postgres", user: str = "postgres", port: int | None = None) -> str:
        """`port` is that of a proxy in front of the server."""
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def initialize(self) -> None:
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        command = [self._bin / "initdb", "-D", self.data, *options]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **_account())

    def start(self) -> None:
        """Start, and return when the server takes connections: again on the port that it had."""
        deadline = time.monotonic() + START_LIMIT
        while not self._started():
            assert time.monotonic() < deadline, self.log.read_text("utf-8", "replace")[-4000:]
            time.sleep(0.1)  # what was killed a moment ago may still hold its shared memory

    def _started(self) -> bool:
        options = [option for name, value in self._settings.items() for option in ("-c", f"{name}={value}")]
        command = [self._bin / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder, *options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **_account()
            )
        while self._process.poll() is None and not self._is_ready():
            time.sleep(0.01)
        return self._process.poll() is None

    def _is_ready(self) -> bool:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().split("\n")
            return lines[0] == str(self._process.pid) and len(lines) > 7 and lines[7].startswith("ready")
        return False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, *, immediately: bool = False) -> None:
        """End every connection and stop; `immediately` leaves the recovery to the next start."""
        if self.is_running:
            self._process.send_signal(signal.SIGCONT)  # it may be paused
            self._process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self._process.wait()

    def kill(self) -> None:
        """Kill all of its processes at once (SIGKILL), as a machine that stops does."""
        processes = [self._process.pid, *self._children()]
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def _children(self) -> list[int]:
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Stop all of its processes (SIGSTOP): connections stay open, and nothing answers."""
        for pid in (self._process.pid, *self._children()):
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in (*self._children(), self._process.pid):
            os.kill(pid, signal.SIGCONT)

    def fetch(self, sql: str, *arguments: object, database: str = "postgres", user: str = "postgres") -> list[tuple]:
        """Rows of one statement, on a connection of its own; may be called with and without a running loop."""

        async def fetched():
            import asyncpg  # noqa: PLC0415 - only tests of PostgreSQL load it

            connection = await asyncpg.connect(self.url(database, user))
            try:
                return [tuple(row) for row in await connection.fetch(sql, *arguments)]
            finally:
                await connection.close()

        return _apart(fetched)

    def terminate_connections(self, database: str, application_name: str = "%") -> int:
        """End connections as an administrator does; `application_name` is a pattern of LIKE. Returns how many."""
        ended = self.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE $2",
            database,
            application_name,
        )
        return len(ended)

    def create_database(self, template: str = "template0") -> str:
        """A new database's name, unique in this server."""
        self._databases += 1
        name = f"test_{self._databases}"
        self.fetch(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {self._copying} TABLESPACE {self.tablespace}')
        return name

    def template(self, name: str, prepare: Callable[[str], Awaitable[object]]) -> str:
        """The database `name`, a template for others: `prepare` filled it by its URL when it was asked for first."""
        if name not in self._templates:
            self.fetch(f'CREATE DATABASE "{name}" TEMPLATE template0 {self._copying}')
            _apart(lambda: prepare(self.url(name)))
            self._templates.add(name)
        return name

    @property
    def _copying(self) -> str:
        return "STRATEGY wal_log" if _version(self._bin) >= 15 else ""

    def drop_database(self, name: str) -> None:
        self.fetch(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _apart(work: Callable[[], Awaitable]):
    """What `work` returns, run by a loop in a thread of its own: the caller may stand in one already."""

    async def awaited():
        return await work()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, awaited()).result()


@contextlib.contextmanager
def running_server(*, fsync: bool = False, settings: dict[str, str] | None = None) -> Iterator[PostgresServer]:
    """A server that a test may stop and kill; skips where PostgreSQL is not installed, and fails in CI."""
    bin_folder = binaries()
    if bin_folder is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"PostgreSQL from {OLDEST} on is not installed: apt-get install postgresql")
    assert bin_folder, "PostgreSQL is not installed, in CI it has to be: postgresql"
    folder = Path(tempfile.mkdtemp(prefix="batch-tracker-postgres-", dir=reachable_by_all()))
    with _ended_with_worker(folder):
        server = PostgresServer(folder, bin_folder, settings=settings, fsync=fsync)
        if account := _account():
            os.chown(folder, account["user"], account["group"])
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            server.stop(immediately=True)


@contextlib.contextmanager
def _ended_with_worker(folder: Path) -> Iterator[None]:
    command = ["/bin/sh", "-c", END_WITH_WORKER, folder]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    guardian = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, **quiet)
    try:
        yield
    finally:
        guardian.stdin.close()
        guardian.wait()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The worker's server: for tests that neither stop nor kill it (those have `running_server`)."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of the test's own."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)

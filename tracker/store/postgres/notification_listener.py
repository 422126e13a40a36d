"""Owns listening: what other processes commit wakes this one, at once by notifications, and else by looking now and then."""

import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import anyio
import asyncpg
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import HintObserver
from tracker.core.ports.wakeups import Wakeups
from tracker.runtime.task_groups import task_group
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import DATABASE_ERRORS, connect, disconnect, storage_errors
from tracker.store.postgres.database.text_escape import decode_text
from tracker.store.postgres.notification_sender import NotificationSender, Signals, parse_signals

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Runs a statement with its arguments on the connection that writes, and returns the rows."""

_STATE: Final = "SELECT (SELECT seq FROM log_head), name, commands FROM (SELECT) AS one LEFT JOIN receivers ON true"

_ADVICE: Final = (
    "through a pooler in transaction mode, or in another database, they never do: correct storage.listen_url; until then"
    " changes are looked for each second"
)


class ListenerTimes(NamedTuple):
    """Seconds. `notified` and `unnotified` are between looks, while notifications arrive and while they do not.

    `proof` is within which a notification arrives that arrives at all, `retry` before the next connection.
    """

    notified: float = 30.0
    unnotified: float = 1.0
    proof: float = 2.0
    retry: float = 1.0


DEFAULT_LISTENER_TIMES: Final = ListenerTimes()


class Listeners(NamedTuple):
    """What is called. `commanded` gets the receivers whose deliveries or circuit commands of other processes have changed."""

    wakeups: Wakeups
    leases_changed: Callable[[], None]
    commanded: Callable[[Collection[str]], None]
    hinted: HintObserver = lambda _hints: None


class NotificationListener:
    """Feeds `listeners` with what other processes commit."""

    def __init__(
        self,
        address: PostgresAddress,
        sender: NotificationSender,
        fetch: Fetch,
        listeners: Listeners,
        times: ListenerTimes = DEFAULT_LISTENER_TIMES,
    ) -> None:
        self._address = address
        self._sender = sender
        self._fetch = fetch
        self._wakeups, self._leases_changed, self._commanded, self._hinted = listeners
        self._times = times
        self._seq: int | None = None
        self._commands: dict[str, int] | None = None  # how many each receiver had, as of the last look
        self._own_commands: set[str] = set()
        self._look_now = anyio.Event()
        self._proof = anyio.Event()
        self._arrive = False
        self._has_warned = False
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Listen and look until it is cancelled; a lost connection is made again."""
        async with task_group() as group:
            group.start_soon(self._look_forever)
            while True:
                try:
                    await self._listen()
                except StorageError as error:
                    self._warn(str(error))
                self._arrive = False
                self._look_now.set()  # from now on more often
                await anyio.sleep(self._jittered(self._times.retry))

    async def _listen(self) -> None:
        with anyio.CancelScope(shield=True):  # a connection whose task is cancelled would never be closed
            connection = await connect(self._address, url=self._address.listen_url)
        try:
            with storage_errors(self._address, "listening"):
                await connection.add_listener(self._sender.channel, self._notified)
            self._wake(Signals(everything=True))
            await self._prove()
            await self._stay(connection)
        finally:
            with anyio.CancelScope(shield=True):
                await disconnect(connection)

    async def _prove(self) -> None:
        """Learn whether notifications arrive, by one that takes the way of all others."""
        self._proof = anyio.Event()
        await self._fetch("SELECT pg_notify($1, $2)", self._sender.channel, self._sender.payload(Signals()))
        with anyio.move_on_after(self._times.proof):
            await self._proof.wait()
        self._arrive = self._proof.is_set()
        if self._arrive:
            self._has_warned = False
        else:
            self._warn("a notification that was sent did not arrive", to_do=_ADVICE)

    async def _stay(self, connection: asyncpg.Connection) -> None:
        """Return when the connection is lost, also where no error says so."""
        ended = anyio.Event()
        connection.add_termination_listener(lambda _connection: ended.set())
        while not (ended.is_set() or connection.is_closed()):
            with anyio.move_on_after(self._jittered(self._times.notified)):
                await ended.wait()
            try:
                with anyio.CancelScope(shield=True):
                    await connection.fetchval("SELECT 1")
            except DATABASE_ERRORS:
                return  # it is made again, and only if that fails something is wrong

    async def _look_forever(self) -> None:
        while True:
            with suppress(StorageError):  # others say that the database is gone
                await self._look()
            with anyio.move_on_after(self._jittered(self._times.notified if self._arrive else self._times.unnotified)):
                await self._look_now.wait()
            self._look_now = anyio.Event()

    async def _look(self) -> None:
        """Wake what waits for what was committed since the last look."""
        rows = await self._fetch(_STATE)
        seq, commands = rows[0][0], {decode_text(name): number for _, name, number in rows if name is not None}
        before_seq, self._seq = self._seq, seq
        before, self._commands = self._commands, commands
        if before is not None:
            self._wake(Signals(everything=seq != before_seq))
            self._report({name for name, number in commands.items() if number != before.get(name, 0)})

    def _report(self, changed: Collection[str]) -> None:
        by_others = {*changed} - self._own_commands
        self._own_commands.clear()
        if by_others:
            self._wakeups.wake_deliverers(by_others)
            self._commanded(by_others)

    def _notified(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        signals = parse_signals(str(payload))
        if signals.sender == self._sender.origin:
            self._proof.set()
            self._own_commands.update(signals.commands)
        else:
            self._wake(signals)
        if signals.commands or signals.everything:
            self._look_now.set()

    def _wake(self, signals: Signals) -> None:
        if signals.log or signals.everything:
            self._wakeups.wake_log_readers()
        if signals.archive or signals.everything:
            self._wakeups.wake_archivers()
        if signals.leases or signals.everything:
            self._leases_changed()
        if signals.hints:
            self._hinted(signals.hints)
        if signals.everything:
            self._wakeups.wake_all_deliverers()
        else:
            self._wakeups.wake_deliverers(signals.receivers)

    def _warn(self, error: str, **advice: str) -> None:
        if not self._has_warned:
            self._log.warning("notifications.undelivered", error=error, **advice)
        self._has_warned = True

    @staticmethod
    def _jittered(seconds: float) -> float:
        """So that replicas neither ask nor return as one."""
        return seconds * random.uniform(0.75, 1.25)  # noqa: S311 - nothing secret

"""Owns the embedded server: uvicorn without signal handlers; it listens when its context begins, and stops in bounded time.

Signals, logging and the task group belong to the caller: uvicorn's own signal handlers would end the process before the
caller has cleaned up.

It overrides `Server.capture_signals` and `main_loop` and extends `HttpToolsProtocol`, names that uvicorn does not promise to
keep. So pyproject.toml binds uvicorn below the next minor version, and tests/unit/test_uvicorn_bound.py checks these names.
"""

import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from email.utils import formatdate
from functools import partial
from ipaddress import ip_address
from typing import Final, NamedTuple, cast

import anyio
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp, Receive, Scope, Send

from tracker.core.errors.listen_error import ListenError
from tracker.runtime.task_groups import task_group
from tracker.server.connection import ServerConnection
from tracker.server.connection_limits import DEFAULTS, ConnectionLimits


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what is compared with
_CHECK_INTERVAL: Final = 1.0
"""Seconds between two checks of the connections' time-outs."""


@asynccontextmanager
async def open_server(app: ASGIApp, host: str, port: int, limits: ConnectionLimits = DEFAULTS) -> AsyncIterator[Address]:
    """Serve `app` while the context lasts; port 0 takes a free one. Raises `ListenError` before anything starts.

    On leaving, requests get `limits.shutdown_grace` to end; then their connections are reset and they are cancelled.
    """
    async with open_server_on(app, [(host, port)], limits) as (address,):
        yield address


@asynccontextmanager
async def open_server_on(
    app: ASGIApp, hosts: Sequence[tuple[str, int]], limits: ConnectionLimits = DEFAULTS
) -> AsyncIterator[Sequence[Address]]:
    """As `open_server`, at several hosts and ports; "::" takes IPv4 too, unless an IPv4 address has a port of its own there."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listen(host, port, hosts)) for host, port in hosts]
        server = _Server(app, limits)
        async with task_group() as group:
            group.start_soon(server.run_on, listeners)
            try:
                await server.listening.wait()
                yield [Address(*listener.getsockname()[:2]) for listener in listeners]
            finally:
                await server.stop(limits.shutdown_grace)


def reached_locally(addresses: Sequence[Address]) -> Address:
    """The address for programs of this machine: one of loopback, if there is one."""
    near = (each for each in addresses if each.host in _ANYWHERE or ip_address(each.host).is_loopback)
    return next(near, addresses[0])


async def serve_forever(
    app: ASGIApp,
    host: str,
    port: int,
    limits: ConnectionLimits = DEFAULTS,
    *,
    task_status: TaskStatus[Address] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until cancelled, for a task group: `address = await group.start(serve_forever, app, host, port)`."""
    async with open_server(app, host, port, limits) as address:
        task_status.started(address)
        await anyio.sleep_forever()


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self._app = _Interruptible(app)
        self.listening = anyio.Event()
        self._stopping = anyio.Event()
        self._connected = anyio.Event()
        self._ended = anyio.Event()
        super().__init__(_config(self._app, partial(ServerConnection, limits=limits, on_made=self._on_connection), limits))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_on(self, listeners: list[socket.socket]) -> None:
        with anyio.CancelScope(shield=True):  # `stop` ends it
            try:
                await self.serve(listeners)
            finally:
                self._ended.set()

    async def main_loop(self) -> None:
        self.listening.set()
        while not self.should_exit:
            self._update_date_header()
            for connection in list(self.server_state.connections):
                cast("ServerConnection", connection).check_timeouts()
            await self._pause()

    async def _pause(self) -> None:
        """Wait until connections must be checked again, or until there is one: without connections nothing is checked."""
        if self.server_state.connections:
            with anyio.move_on_after(_CHECK_INTERVAL):
                await self._stopping.wait()
        else:
            self._connected = anyio.Event()
            await self._connected.wait()

    def _on_connection(self) -> None:
        """A connection was made; its request may be read before the main loop runs again."""
        self._update_date_header()
        self._connected.set()

    def _update_date_header(self) -> None:
        self.server_state.default_headers = [(b"date", formatdate(usegmt=True).encode())]

    async def stop(self, grace: float) -> None:
        self.should_exit = True
        self._stopping.set()
        self._connected.set()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(grace):
                await self._ended.wait()
            if not self._ended.is_set():
                await self._interrupt()

    async def _interrupt(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await anyio.sleep(0.05)  # by then the protocols know, and a request that is cut off here is not reported as a bug
        self._app.interrupt()
        self.force_exit = True


class _Interruptible:
    """The application, each of its requests in a scope that can be cancelled and with its connection as an extension."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._requests: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {**scope.get("extensions", {}), "transport": _transport_of(receive)}
        with anyio.CancelScope() as request:
            self._requests.add(request)
            try:
                await self._app(scope, receive, send)
            finally:
                self._requests.discard(request)

    def interrupt(self) -> None:
        for request in list(self._requests):
            request.cancel()


def without_server_headers(receive: Receive) -> None:
    """Give the answer to this request no header but the application's own: for one that has a `Date` of its own."""
    exchange = getattr(receive, "__self__", None)  # uvicorn's `receive` is a method of the exchange
    if exchange is not None:
        exchange.default_headers = []


def _transport_of(receive: Receive) -> object:
    """The connection of a request: uvicorn's `receive` is a method of the exchange that has it."""
    return getattr(getattr(receive, "__self__", None), "transport", None)


def _config(app: ASGIApp, connection: Callable[..., ServerConnection], limits: ConnectionLimits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=cast("type[ServerConnection]", connection),
        ws="none",
        lifespan="off",  # loops started there die unseen
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # see `_update_date_header`
        timeout_keep_alive=limits.keep_alive_timeout,
        backlog=limits.backlog,
    )


def _listen(host: str, port: int, others: Sequence[tuple[str, int]] = ()) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    conflicts = any(":" not in other and its_port == port for other, its_port in others)
    both = host == "::" and not conflicts and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=both)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python's text repeats the address
        raise ListenError(f"cannot listen on {host} port {port}: {reason}") from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; or an answer may wait 40 ms
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # milliseconds; a vanished client is not awaited for a quarter of an hour
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return listener

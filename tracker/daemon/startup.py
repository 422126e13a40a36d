"""The startup of the daemon: the store, the workers, the watchdog and the web server, then READY for systemd.

When the context ends they are stopped, see `shutdown.py`. A loop that crashes ends the process: no part continues alone.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import msgspec
import structlog

from tracker import __version__
from tracker.config import Config, Http
from tracker.config.secrets.credentials import Learned
from tracker.config.systemd_service import NO_SERVICE, SystemdService
from tracker.core.events.event import Event
from tracker.core.health.readiness import Health
from tracker.core.ports.statistics import Statistics
from tracker.core.ports.store import Store
from tracker.core.silences.weekly_window import planned_silences
from tracker.daemon.control.control_file import ControlFile, published_control_file
from tracker.daemon.daemon_interface_implementation import DaemonImplementation
from tracker.daemon.database_address import address_of_replica, database_address
from tracker.daemon.factories.config_conversion import subscription
from tracker.daemon.hint_dispatcher import HintDispatcher
from tracker.daemon.open_file_limit import shares_of_this_process
from tracker.daemon.reload import Reloader
from tracker.daemon.replica_reports import ReplicaReports
from tracker.daemon.shutdown import with_shutdown_limit
from tracker.daemon.supervisor import Supervisor
from tracker.daemon.systemd_socket import Systemd
from tracker.daemon.trace_export import create_trace_export
from tracker.daemon.watchdog import HANG_AFTER, Watchdog
from tracker.daemon.workers.dependencies import Dependencies
from tracker.metrics import Metrics
from tracker.runtime.clock import now
from tracker.runtime.liveness import Liveness
from tracker.runtime.task_groups import task_group
from tracker.server.embedded import Address, open_server_on, reached_locally
from tracker.store.address import DatabaseAddress, PostgresAddress, describe
from tracker.store.opening import open_reader_pool, open_statistics, open_store
from tracker.web.access.session_cookie import Sessions
from tracker.web.access.sessions_in_memory import SessionsInMemory
from tracker.web.access.signed_sessions import SignedSessions
from tracker.web.access.tokens_and_hosts import AccessPolicy
from tracker.web.app import create_app
from tracker.web.public_url import PublicUrl
from tracker.web.stream.broadcast import MOST_SUBSCRIBERS, Broadcast


class RunningDaemon(msgspec.Struct, frozen=True):
    """A running daemon; `addresses` are those that it listens on, the first of them as `address`."""

    addresses: Sequence[Address]
    systemd: Systemd
    supervisor: Supervisor
    reloader: Reloader

    @property
    def address(self) -> Address:
        return self.addresses[0]


def ignore_secrets(_secrets: Iterable[str]) -> None:
    """For a daemon whose log redacts no secrets that are read later."""


@asynccontextmanager
async def open_daemon(
    config: Config, service: SystemdService = NO_SERVICE, learned: Learned = ignore_secrets
) -> AsyncIterator[RunningDaemon]:
    """Watch the accounts, deliver events and serve the API and the pages while the context lasts."""
    database = address_of_replica(config, learned)
    replica = database.replica if isinstance(database, PostgresAddress) else None
    statistics = open_statistics(database)
    if replica is None:
        _log_affected(statistics)
    health = Health((account.name for account in config.accounts), replica)
    metrics = Metrics(statistics, is_replica=replica is not None, exports_traces=config.telemetry.traces)
    traces = create_trace_export(config, metrics.traces, learned)
    liveness = Liveness(service.watchdog or HANG_AFTER)
    systemd, shares = Systemd(service.notify), shares_of_this_process()
    limits = with_shutdown_limit(shares.limits)
    notified = _each(metrics.logged, traces.logged)
    opened = open_store(
        database,
        map(subscription, config.receivers),
        segments=config.storage.segments,
        notified=notified,
        used=metrics.storage.used,
    )
    async with (
        opened as store,
        open_reader_pool(database) as pool,
        open_reader_pool(database, readers=1) as apart,
        task_group() as group,
    ):
        dependencies = Dependencies(store, health, metrics, liveness, learned, is_replica=replica is not None, traces=traces)
        await store.silences.plan(planned_silences(config.maintenance, store.now()), store.now(), only=False)
        store.silences.watch(metrics.silences.silenced)
        supervisor = Supervisor(group, dependencies, config, shares.attempts)
        reports = ReplicaReports(store.leases, pool.reader, health, metrics.replicas) if replica else None
        watchdog = Watchdog(store, health, liveness, systemd, service.watchdog, reports)
        metrics.active.read_from(store.active_jobs_snapshot)
        metrics.started(now())
        control = secrets.token_urlsafe(32)
        broadcast = Broadcast(apart.reader, store.wakeups.log_grown, min(MOST_SUBSCRIBERS, limits.connections // 2))
        group.start_soon(broadcast.run)
        group.start_soon(traces.run)
        hints = HintDispatcher(store, supervisor.hints, lambda: supervisor.config, metrics.vendor_webhooks)
        group.start_soon(hints.run)
        daemon = DaemonImplementation(dependencies, supervisor, pool, broadcast, hints)
        app = create_app(daemon, _access_policy(config.http, control), _sessions(config, store), _public_url(config.http))
        async with open_server_on(app, [(each.host, each.port) for each in config.http.listen], limits) as addresses:
            address = reached_locally(addresses)
            with _control_file(database, ControlFile(address.url, control)), closing(broadcast):
                group.start_soon(watchdog.run)
                yield RunningDaemon(addresses, systemd, supervisor, Reloader(config, supervisor, watchdog, systemd))
                await supervisor.stop()
                await traces.stop()
        group.cancel_scope.cancel()


def _each(*reports: Callable[[Event, bool], None]) -> Callable[[Event, bool], None]:
    """Reports an event that was logged, and whether it is backfilled, to each of these."""

    def report(event: Event, backfilled: bool) -> None:  # noqa: FBT001 - as the log has it
        for each in reports:
            each(event, backfilled)

    return report


def _log_affected(statistics: Statistics) -> None:
    version, is_affected = statistics.engine()
    if is_affected:
        structlog.get_logger().debug("storage.engine_affected", version=version, bug="WAL reset; one writer avoids it")


def report_started(running: RunningDaemon, config: Config) -> None:
    """Log the start, then notify systemd that the service is ready."""
    also: dict[str, Any] = {"also": [each.url for each in running.addresses[1:]]} if running.addresses[1:] else {}
    database = database_address(config.storage)
    if isinstance(database, PostgresAddress):
        also["replica"] = database.replica
    structlog.get_logger().info(
        "process.started", url=running.address.url, **also, database=describe(database), version=__version__
    )
    running.systemd.ready()


def _control_file(database: DatabaseAddress, content: ControlFile) -> AbstractContextManager[None]:
    """The control file of a database that is a file. Commands change another one by themselves."""
    return published_control_file(database, content) if isinstance(database, Path) else nullcontext()


def _access_policy(http: Http, control: str) -> AccessPolicy:
    token = http.token.reveal() if http.token else None
    external = (urlsplit(http.external_url).hostname or "",) if http.external_url else ()
    listen = tuple(each.host for each in http.listen)
    return AccessPolicy(control=control, token=token, listen=listen, hosts=(*http.hosts, *external))


def _sessions(config: Config, store: Store) -> Sessions:
    """Replicas that have one token accept each other's logins, by the clock that they share."""
    if config.storage.url is None or config.http.token is None:
        return SessionsInMemory(secrets.token_urlsafe, anyio.current_time)
    return SignedSessions(config.http.token.reveal(), secrets.token_urlsafe, lambda: store.now() / 1000)


def _public_url(http: Http) -> PublicUrl:
    return PublicUrl(base_path=http.base_path, external_url=http.external_url)

"""The daemon's lifecycle: start, signals, reload of the configuration, stop.

`run` serves until a signal stops it. A loop that crashes ends the process; no part continues without the others.
"""

import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from typing import Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import msgspec
import structlog

from tracker import __version__
from tracker.config import Config, Http
from tracker.config.difference import Difference, apply_changes
from tracker.config.plausibility import implausible_settings
from tracker.config.secrets_in_use import Learned
from tracker.config.security_warnings import security_warnings
from tracker.config.systemd_service import NO_SERVICE, SystemdService
from tracker.core.errors.config_error import ConfigError
from tracker.core.errors.storage_error import StorageError
from tracker.core.reconciliation.account_health import Health
from tracker.daemon.control import Control, announced
from tracker.daemon.dependencies import Dependencies
from tracker.daemon.descriptors import shares_of_this_process
from tracker.daemon.factory import subscription
from tracker.daemon.supervisor import Supervisor
from tracker.daemon.systemd import Systemd
from tracker.daemon.watchdog import Watchdog
from tracker.daemon.web_facade import WebFacade
from tracker.metrics import Metrics
from tracker.runtime.clock import now
from tracker.runtime.liveness import PATIENCE, Liveness
from tracker.runtime.task_groups import task_group
from tracker.server.embedded import Address, open_server_on, reached_locally
from tracker.store.opening import open_reader_pool, open_statistics, open_store
from tracker.web.access.policy import Access
from tracker.web.access.sessions import Sessions
from tracker.web.access.site import Site
from tracker.web.app import create_app
from tracker.web.stream.broadcast import MOST_FOLLOWERS, Broadcast

READ_WITHIN: Final = 10.0
"""Seconds that a reload may spend on reading the configuration: a secret's file may be on a file system that hangs."""

Reading = Callable[[], Config]
"""Reads the configuration again; raises `ConfigError`."""


def _keep(_secrets: Iterable[str]) -> None:
    """Secrets that come to be known while no log leaves any out."""


async def run(config: Config, read: Reading, service: SystemdService = NO_SERVICE, learned: Learned = _keep) -> None:
    """Run the daemon until SIGTERM or SIGINT, by what `read` gives from each SIGHUP on. Raises what ended it otherwise.

    `learned` is given each secret that has taken the place of another one, before it is used.
    """
    log = structlog.get_logger()
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with daemon(config, service, learned) as running, task_group() as group:
            also = {"also": [each.url for each in running.addresses[1:]]} if running.addresses[1:] else {}
            log.info("process.started", url=running.address.url, **also, database=str(config.storage.path), version=__version__)
            running.systemd.ready()
            await running.warn()
            asked = _Asked()
            group.start_soon(running.reload_whenever, asked, read)
            async for number in signals:
                if number != signal.SIGHUP:
                    log.info("process.stopping", signal=signal.Signals(number).name)
                    running.systemd.stopping()
                    break
                asked.ask()
            group.cancel_scope.cancel()
    log.info("process.stopped")


class _Asked:
    """A pending request for a reload; several requests in the meantime count as one."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def ask(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = anyio.Event()


class Daemon:
    """A daemon that runs: where it listens, what it runs by, and whom it tells."""

    def __init__(
        self, config: Config, supervisor: Supervisor, watchdog: Watchdog, systemd: Systemd, addresses: Sequence[Address]
    ) -> None:
        self.addresses = addresses
        self.systemd = systemd
        self._config = config
        self._supervisor = supervisor
        self._watchdog = watchdog
        self._health, self._metrics = supervisor.dependencies.health, supervisor.dependencies.metrics
        self._log = structlog.get_logger()

    @property
    def address(self) -> Address:
        """The first of those that it listens on."""
        return self.addresses[0]

    async def reload_whenever(self, asked: _Asked, read: Reading) -> None:
        while True:
            await asked.wait()
            self.systemd.reloading()
            await self.reload_once(read)
            self._watchdog.look_once()
            self.systemd.ready()

    async def reload_once(self, read: Reading) -> None:
        """Run by what `read` gives. If that is wrong everything stays as it is, which the log, metrics and health say."""
        try:
            with anyio.fail_after(READ_WITHIN):
                config = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        except ConfigError as error:
            self._reload_failed(str(error).splitlines())
        except TimeoutError:
            self._reload_failed([f"reading the configuration takes longer than {READ_WITHIN:g} s"])
        else:
            self._take_over(config)
            await self.warn()

    async def warn(self) -> None:
        """Log what in the configuration in force can hardly be meant or is insecure, and what it leaves in the database."""
        for doubt in implausible_settings(self._config):
            self._log.warning("configuration.doubtful", about=doubt)
        for insecurity in await anyio.to_thread.run_sync(security_warnings, self._config):
            self._log.warning("configuration.insecure", **msgspec.structs.asdict(insecurity))
        receivers, accounts = ([each.name for each in of] for of in (self._config.receivers, self._config.accounts))
        try:
            orphans = await self._supervisor.dependencies.store.orphans(receivers, accounts)
        except StorageError as error:
            self._log.error("storage.failed", error=str(error))
            return
        for name, backlog in orphans.receivers.items():
            to_do = f"batch-tracker deliveries --move {name} OTHER, or --drop {name}"
            self._log.warning("deliveries.orphaned", receiver=name, pending=backlog.pending, dead=backlog.dead, to_do=to_do)
        for name, jobs in orphans.accounts.items():
            self._log.warning(
                "jobs.orphaned", account=name, active=jobs, to_do="an account of this name would watch them again"
            )

    def _take_over(self, config: Config) -> None:
        self._config, difference = apply_changes(self._config, config)
        self._supervisor.apply(self._config)
        self._health.reload_error, self._health.restart_needed = None, difference.restart
        self._metrics.reloaded(now(), ok=True)
        self._log.info("configuration.reloaded", **_told(difference))
        if difference.restart:
            self._log.warning("configuration.restart_needed", to_change=difference.restart)

    def _reload_failed(self, mistakes: list[str]) -> None:
        self._health.reload_error = mistakes[0]
        self._metrics.reloaded(now(), ok=False)
        self._log.error("configuration.reload_failed", mistakes=mistakes, in_force="the configuration of before")


def _told(difference: Difference) -> dict[str, tuple[str, ...]]:
    changes = {"added": difference.added, "changed": difference.changed, "removed": difference.removed}
    return {how: names for how, names in changes.items() if names}


@asynccontextmanager
async def daemon(config: Config, service: SystemdService = NO_SERVICE, learned: Learned = _keep) -> AsyncIterator[Daemon]:
    """Watch the accounts and serve the surfaces while the context lasts."""
    statistics = open_statistics(config.storage.path)
    version, is_affected = statistics.engine()
    if is_affected:
        structlog.get_logger().debug("storage.engine_affected", version=version, bug="WAL reset; one writer avoids it")
    health, metrics, liveness = Health(), Metrics(statistics), Liveness(service.watchdog or PATIENCE)
    systemd, shares = Systemd(service.notify), shares_of_this_process()
    opened = open_store(
        config.storage.path, map(subscription, config.receivers), notified=metrics.logged, used=metrics.storage.used
    )
    async with (
        opened as store,
        open_reader_pool(config.storage.path) as pool,
        open_reader_pool(config.storage.path, readers=1) as apart,
        task_group() as group,
    ):
        dependencies = Dependencies(store, health, metrics, liveness, learned)
        supervisor = Supervisor(group, dependencies, config, shares.attempts)
        watchdog = Watchdog(store, health, liveness, systemd, service.watchdog)
        metrics.active.read_from(store.active_jobs_snapshot)
        metrics.started(now())
        control = secrets.token_urlsafe(32)
        broadcast = Broadcast(apart.reader, store.wakeups.log_grown, min(MOST_FOLLOWERS, shares.limits.connections // 2))
        group.start_soon(broadcast.run)
        web_facade = WebFacade(dependencies, supervisor, pool, broadcast)
        sessions = Sessions(secrets.token_urlsafe, anyio.current_time)
        app = create_app(web_facade, _access(config.http, control), sessions, _site(config.http))
        async with open_server_on(app, [(each.host, each.port) for each in config.http.listen], shares.limits) as addresses:
            address = reached_locally(addresses)
            with announced(config.storage.path, Control(address.url, control)), closing(broadcast):
                group.start_soon(watchdog.run)
                yield Daemon(config, supervisor, watchdog, systemd, addresses)
                await supervisor.stop()
        group.cancel_scope.cancel()


def _access(http: Http, control: str) -> Access:
    token = http.token.reveal() if http.token else None
    external = (urlsplit(http.external_url).hostname or "",) if http.external_url else ()
    listen = tuple(each.host for each in http.listen)
    return Access(control=control, token=token, listen=listen, hosts=(*http.hosts, *external))


def _site(http: Http) -> Site:
    return Site(base_path=http.base_path, external_url=http.external_url)

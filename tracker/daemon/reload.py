"""The reload of the configuration while the daemon runs. If it fails, the configuration of before stays in force."""

from collections.abc import Callable
from typing import Final

import anyio
import anyio.to_thread
import structlog

from tracker.config import Config
from tracker.config.reloadable_changes import Difference, apply_changes
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.configuration_warnings import log_configuration_warnings
from tracker.daemon.supervisor import Supervisor
from tracker.daemon.systemd_socket import Systemd
from tracker.daemon.watchdog import Watchdog
from tracker.runtime.clock import now

READ_TIMEOUT: Final = 10.0
"""Seconds that a reload may spend on reading the configuration: a secret's file may be on a file system that hangs."""

Reading = Callable[[], Config]
"""Reads the configuration again; raises `ConfigError`."""


class Reloader:
    """Reloads the configuration on request."""

    def __init__(self, config: Config, supervisor: Supervisor, watchdog: Watchdog, systemd: Systemd) -> None:
        self.config = config
        self._supervisor = supervisor
        self._watchdog = watchdog
        self._systemd = systemd
        self._health, self._metrics = supervisor.dependencies.health, supervisor.dependencies.metrics
        self._requested = anyio.Event()
        self._log = structlog.get_logger()

    def request(self) -> None:
        """Request a reload; several requests before it begins count as one."""
        self._requested.set()

    async def run(self, read: Reading) -> None:
        """Reload at each request, and notify the service manager before and after."""
        while True:
            await self._requested.wait()
            self._requested = anyio.Event()
            self._systemd.reloading()
            await self.reload_once(read)
            self._watchdog.check_once()
            self._systemd.ready()

    async def reload_once(self, read: Reading) -> None:
        """Apply the configuration that `read` returns. A failure is in the log, the metrics and the health."""
        try:
            with anyio.fail_after(READ_TIMEOUT):
                config = await anyio.to_thread.run_sync(read, abandon_on_cancel=True)
        except ConfigError as error:
            self._record_failure(str(error).splitlines())
        except TimeoutError:
            self._record_failure([f"reading the configuration takes longer than {READ_TIMEOUT:g} s"])
        else:
            self._apply(config)
            await self.log_warnings()

    async def log_warnings(self) -> None:
        """Log the warnings about the configuration in force."""
        await log_configuration_warnings(self.config, self._supervisor.dependencies.store)

    def _apply(self, config: Config) -> None:
        self.config, difference = apply_changes(self.config, config)
        self._supervisor.apply(self.config)
        self._health.reload_error, self._health.restart_needed = None, difference.restart
        self._metrics.reloaded(now(), ok=True)
        self._log.info("configuration.reloaded", **_changed_names(difference))
        if difference.restart:
            self._log.warning("configuration.restart_needed", to_change=difference.restart)

    def _record_failure(self, mistakes: list[str]) -> None:
        self._health.reload_error = mistakes[0]
        self._metrics.reloaded(now(), ok=False)
        self._log.error("configuration.reload_failed", mistakes=mistakes, in_force="the configuration of before")


def _changed_names(difference: Difference) -> dict[str, tuple[str, ...]]:
    changes = {"added": difference.added, "changed": difference.changed, "removed": difference.removed}
    return {change: names for change, names in changes.items() if names}

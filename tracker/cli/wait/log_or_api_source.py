"""Owns the choice of the source for `wait`: the log while a daemon runs, else the API, and changes between them."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import random
from typing import Final

import anyio

from tracker.cli.daemon_liveness import are_watched
from tracker.cli.wait.api_source import ApiSource, RefusedError
from tracker.cli.wait.log_source import LogSource
from tracker.cli.wait.state import UNKNOWN, Awaited, Waiting
from tracker.config import account_names
from tracker.core.deliveries.retry_schedule import backoff, jittered
from tracker.core.errors.config_error import ConfigError
from tracker.core.errors.storage_error import StorageError
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import is_running
from tracker.daemon.database_address import configured_database
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.provider_factory import open_provider
from tracker.daemon.load_configuration import load
from tracker.http.client import HttpClient, tls_context
from tracker.providers.retrying import RetryingProvider
from tracker.runtime.task_groups import task_group
from tracker.store.address import PostgresAddress, describe
from tracker.store.opening import open_reader

UNSEEN_GRACE_SECONDS: Final = 60.0
"""Seconds that a job may be missing from the log if the API cannot be polled: the daemon sees it with a sweep."""

RECHECK_SECONDS: Final = 3.0
"""Seconds until a job that the API did not find is requested again."""

RESTART_CHECK_SECONDS: Final = 2.0
"""Seconds between checks whether the daemon is back, while the API cannot be polled."""

MAX_BACKOFF_SECONDS: Final = 60.0


class LogOrApiSource:
    """Waits for all jobs of `waiting`."""

    def __init__(self, config: str | None, account: str | None, waiting: Waiting, http: HttpClient) -> None:
        """`account`: only its jobs count; `http` reaches the daemon."""
        self._config = config
        self._database = configured_database(config)
        self._account = account
        self._waiting = waiting
        self._http = http
        self._interval = 15.0
        self._api: ApiSource | None = None
        self._has_followed = False

    async def run(self) -> None:
        """Return when all jobs have ended. Raises `ConfigError`, `RefusedError`, `AmbiguousJobError` and `StorageError`."""
        async with AsyncExitStack() as stack:
            if not await self._is_daemon_running():
                await self._read_log_once()
            while self._waiting.outstanding:
                if await self._is_daemon_running():
                    await self._follow_log(stack)
                else:
                    await self._poll_api(stack)

    async def _is_daemon_running(self) -> bool:
        """Whether the log is kept up to date: a daemon has its file, or live replicas hold the accounts in question."""
        if isinstance(self._database, PostgresAddress):
            return await self._are_accounts_held()
        return await is_running(self._database, self._http)

    async def _are_accounts_held(self) -> bool:
        accounts = account_names(self._config) if self._account is None else [self._account]
        known = {each.account for each in self._waiting.outstanding}
        with suppress(StorageError):
            async with open_reader(self._database) as reader:
                return await are_watched(accounts if None in known else [each for each in known if each], reader)
        return False

    async def _read_log_once(self) -> None:
        """Read from the log which jobs have ended, and whole IDs and accounts, also while no daemon runs."""
        with suppress(StorageError):
            async with open_reader(self._database) as reader:
                await LogSource(reader, self._waiting, self._account).look_up()

    async def _follow_log(self, stack: AsyncExitStack) -> None:
        """Follow the log while the daemon runs. PostgreSQL may be away for a while, a file must be readable."""
        try:
            await self._follow_while_readable(stack)
        except StorageError as error:
            if isinstance(self._database, Path) or not self._has_followed:
                raise
            self._waiting.view.show_notice(f"the log cannot be read: {plain(error)}")
            await anyio.sleep(RESTART_CHECK_SECONDS)

    async def _follow_while_readable(self, stack: AsyncExitStack) -> None:
        async with open_reader(self._database) as reader, task_group() as group:
            log = LogSource(reader, self._waiting, self._account)
            await log.look_up()
            self._has_followed = True
            group.start_soon(self._poll_for_missing_jobs, stack)
            await log.follow(self._is_daemon_running)
            group.cancel_scope.cancel()
        if self._waiting.outstanding:
            self._waiting.view.show_notice("the daemon has stopped")

    async def _poll_for_missing_jobs(self, stack: AsyncExitStack) -> None:
        """Poll the API for the jobs that the log lacks: the daemon may not have seen them yet, or may never see them."""
        with suppress(ConfigError, RefusedError):
            api = await self._connect(stack)
            delay = 0.0
            while missing := self._jobs_not_in_log():
                await api.poll_once(missing)
                delay = RECHECK_SECONDS if any(each.missed for each in missing) else self._interval
                await anyio.sleep(delay)
            return
        await anyio.sleep(UNSEEN_GRACE_SECONDS)
        for awaited in self._jobs_not_in_log():
            self._waiting.end(awaited, UNKNOWN)

    def _jobs_not_in_log(self) -> list[Awaited]:
        return [each for each in self._waiting.outstanding if each.job is None or "seq" not in each.job]

    async def _poll_api(self, stack: AsyncExitStack) -> None:
        try:
            api = await self._connect(stack)
        except ConfigError as error:
            if not self._has_followed:
                raise ConfigError(f"no daemon has {describe(self._database)}, and to ask the API instead:\n{error}") from error
            self._waiting.view.show_notice("waiting for the daemon to come back, as the API cannot be asked without a key")
            await self._wait_for_daemon()
            return
        self._waiting.view.show_notice("no daemon is running: asking the API itself")
        await self._poll_until_daemon_runs(api)

    async def _poll_until_daemon_runs(self, api: ApiSource) -> None:
        failures = 0
        while True:
            began = anyio.current_time()
            failures = 0 if await api.poll_once(self._waiting.outstanding) else failures + 1
            if not self._waiting.outstanding:
                return
            await anyio.sleep_until(began + self._delay(failures, self._waiting.outstanding))
            if await self._is_daemon_running():
                self._waiting.view.show_notice("the daemon is back: following its log")
                return

    def _delay(self, failures: int, outstanding: Sequence[Awaited]) -> float:
        if failures:
            return backoff(self._interval, failures, max(self._interval, MAX_BACKOFF_SECONDS), random())  # noqa: S311 - jitter
        usual = jittered(self._interval, random())  # noqa: S311 - jitter
        return min(usual, RECHECK_SECONDS) if any(each.missed for each in outstanding) else usual

    async def _wait_for_daemon(self) -> None:
        while not await self._is_daemon_running():  # noqa: ASYNC110 - another process's start is no event
            await anyio.sleep(RESTART_CHECK_SECONDS)

    async def _connect(self, stack: AsyncExitStack) -> ApiSource:
        """The API, with the keys of the configuration; connected once. Raises `ConfigError`."""
        if self._api is None:
            config = load(self._config)
            accounts = [each for each in config.accounts if self._account in (None, each.name)]
            network = Network(tls_context(), config.proxies)
            providers = {
                each.name: RetryingProvider(await stack.enter_async_context(open_provider(each, network)), random)
                for each in accounts
            }
            self._interval = min(each.poll_interval for each in accounts)
            self._api = ApiSource(providers, self._waiting)
        return self._api

"""Owns the APIs of the configured accounts as a command uses them: opened when first needed, each within one budget."""

from contextlib import AsyncExitStack
from random import random

from tracker.cli.download.errors import DownloadError
from tracker.config import Account, Config
from tracker.core.ports.provider import Provider
from tracker.core.ports.results import ResultSource
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.provider_factory import open_provider, open_result_source
from tracker.daemon.load_configuration import load
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.retrying import RetryingProvider


class ApiAccess:
    """The APIs of the accounts. The configuration and its secrets are read when first needed, which may be a `ConfigError`."""

    def __init__(self, config: str | None, stack: AsyncExitStack) -> None:
        """`config` is the path of the configuration. What is opened is closed with `stack`."""
        self._path = config
        self._stack = stack
        self._loaded: tuple[Config, Network] | None = None
        self._limiters: dict[str, RateLimiter] = {}

    def accounts(self) -> list[str]:
        """The names of the accounts."""
        return [account.name for account in self._load()[0].accounts]

    async def provider(self, account: str) -> Provider:
        """The batch API of the account."""
        opening = open_provider(self._account(account), self._load()[1], self._limiter(account))
        return RetryingProvider(await self._stack.enter_async_context(opening), random)

    async def source(self, account: str) -> ResultSource:
        """The files API of the account."""
        opening = open_result_source(self._account(account), self._load()[1], self._limiter(account))
        return await self._stack.enter_async_context(opening)

    def _load(self) -> tuple[Config, Network]:
        if self._loaded is None:
            config = load(self._path)
            self._loaded = config, Network(tls_context(), config.proxies)
        return self._loaded

    def _account(self, name: str) -> Account:
        for account in self._load()[0].accounts:
            if account.name == name:
                return account
        raise DownloadError(f"the API cannot be asked: the configuration has no account {name} any more", status=2)

    def _limiter(self, name: str) -> RateLimiter:
        return self._limiters.setdefault(name, RateLimiter(self._account(name).requests_per_second))

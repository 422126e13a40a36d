"""The factory of providers: it opens the API of an account, for jobs or for result files, as the configuration says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tracker.config import Account
from tracker.config.secrets.credentials import Credentials
from tracker.core.ports.provider import Provider
from tracker.core.ports.results import ResultSource
from tracker.daemon.factories.network import Network, open_client
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.requests.authorized_requests import AuthorizedRequests
from tracker.providers.vendor_registry import VENDORS
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Heartbeat


@asynccontextmanager
async def open_provider(
    account: Account,
    network: Network | None = None,
    rate_limiter: RateLimiter | None = None,
    answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    *,
    heartbeat: Heartbeat | None = None,
    now: Callable[[], int] = now,
) -> AsyncIterator[Provider]:
    """The account's API, within its budget, over connections of its own; `heartbeat` is of the loop that asks.

    `now` gives Unix milliseconds.
    """
    network = network or Network(tls_context())
    limiter = rate_limiter or RateLimiter(account.requests_per_second)
    async with _open_requests(account, network, limiter, answered, heartbeat=heartbeat, now=now) as requests:
        yield VENDORS[account.provider].open_jobs(requests)


@asynccontextmanager
async def open_result_source(
    account: Account,
    network: Network,
    rate_limiter: RateLimiter,
    answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    *,
    heartbeat: Heartbeat | None = None,
    now: Callable[[], int] = now,
) -> AsyncIterator[ResultSource]:
    """The account's files API, within the same budget, over connections of its own; `heartbeat` is of its archiver.

    `now` gives Unix milliseconds.
    """
    async with _open_requests(account, network, rate_limiter, answered, heartbeat=heartbeat, now=now) as requests:
        yield VENDORS[account.provider].open_files(requests)


@asynccontextmanager
async def _open_requests(
    account: Account,
    network: Network,
    rate_limiter: RateLimiter,
    answered: Callable[[str, str, float], None],
    *,
    heartbeat: Heartbeat | None,
    now: Callable[[], int],
) -> AsyncIterator[AuthorizedRequests]:
    secrets, owner = {"api_key": account.api_key}, {"account": account.name}
    credentials = Credentials(secrets, account.headers, owner=owner, learned=network.learned)
    async with open_client(account, network, credentials, heartbeat) as http:
        yield AuthorizedRequests(
            http,
            account.base_url,
            credentials,
            rate_limiter=rate_limiter,
            deadline=account.request_timeout,
            now=now,
            on_response=answered,
            key_headers=VENDORS[account.provider].key_headers,
        )

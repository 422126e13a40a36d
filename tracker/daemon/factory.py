"""Owns what the configuration says of one account or one receiver, made into what does it."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple

from tracker.config import Account, Receiver
from tracker.config.secrets_in_use import Credentials, Learned
from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.time_driven import TimeLimits
from tracker.core.ports.cards import Cards
from tracker.core.ports.notifier import Notifier
from tracker.delivery.notifiers.notifier_kind import NotifierDependencies
from tracker.delivery.notifiers.registry import NOTIFIER_KINDS
from tracker.delivery.notifiers.secret_renewal import RenewingNotifier
from tracker.http.client import HttpClient, http_client, tls_context
from tracker.http.proxies import Proxies
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.mistral.client import Mistral
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Heartbeat


class Network(NamedTuple):
    """How the network is reached: by whom `tls` is trusted where nothing else is configured, and by which proxies.

    `external_url` is how people reach the pages, for messages that link to them.
    """

    tls: ssl.SSLContext
    proxies: Proxies | None = None
    learned: Learned = lambda _secrets: None
    """Is given what is secret of credentials that were read again."""

    external_url: str | None = None


@asynccontextmanager
async def open_provider(
    account: Account,
    network: Network | None = None,
    rate_limiter: RateLimiter | None = None,
    answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    *,
    heartbeat: Heartbeat | None = None,
) -> AsyncIterator[Mistral]:
    """The account's API, within its budget, over connections of its own; `heartbeat` is of the loop that asks."""
    network = network or Network(tls_context())
    credentials = Credentials(
        {"api_key": account.api_key}, account.headers, owner={"account": account.name}, learned=network.learned
    )
    async with _client(account, network, credentials, heartbeat) as http:
        yield Mistral(
            http,
            account.base_url,
            credentials,
            rate_limiter=rate_limiter or RateLimiter(account.requests_per_second),
            deadline=account.request_timeout,
            now=now,
            answered=answered,
        )


@asynccontextmanager
async def open_notifier(
    receiver: Receiver,
    network: Network,
    cards: Cards,
    rate_limiter: RateLimiter | None = None,
    *,
    heartbeat: Heartbeat | None = None,
) -> AsyncIterator[Notifier]:
    """What sends to the receiver, over connections of its own, at the pace of its kind where none is given."""
    kind = NOTIFIER_KINDS[receiver.kind]
    secrets, owner = receiver.secrets_by_key(), {"receiver": receiver.name}
    credentials = Credentials(secrets, receiver.headers, owner=owner, learned=network.learned)
    rate_limiter = rate_limiter or message_pace(receiver)
    async with _client(receiver, network, credentials, heartbeat) as http:
        dependencies = NotifierDependencies(
            http=http,
            credentials=credentials,
            rate_limiter=rate_limiter,
            cards=cards,
            now=now,
            external_url=network.external_url,
        )
        yield RenewingNotifier(lambda: kind.create(receiver, dependencies), credentials)


def message_pace(receiver: Receiver, heartbeat: Heartbeat | None = None) -> RateLimiter:
    """How fast its kind may send messages; `heartbeat` is of the loop that delivers."""
    return RateLimiter(NOTIFIER_KINDS[receiver.kind].messages_per_second, heartbeat)


def _client(
    of: Account | Receiver, network: Network, identity: Credentials, heartbeat: Heartbeat | None
) -> AbstractAsyncContextManager[HttpClient]:
    tls = of.tls.context if of.tls else network.tls
    return http_client(tls, proxies=network.proxies, heartbeat=heartbeat, identity=identity)


def limits(account: Account) -> TimeLimits:
    return TimeLimits(
        stalled_after=account.stalled_after,
        timeout_hours=account.timeout_hours,
        unreachable_after=account.unreachable_after,
    )


def subscription(receiver: Receiver) -> Subscription:
    return Subscription(receiver=receiver.name, events=receiver.events, match=receiver.match, delay=receiver.group_wait)


def delivery_policy(receiver: Receiver) -> DeliveryPolicy:
    digest = NOTIFIER_KINDS[receiver.kind].largest_without_digest
    return DeliveryPolicy(retry=receiver.retry, hold=receiver.hold, digest=digest)

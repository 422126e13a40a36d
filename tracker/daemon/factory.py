"""Owns what the configuration says of one account or one receiver, made into what does it."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, NamedTuple

from tracker.config import Account, Receiver
from tracker.config.secrets_in_use import Credentials, Learned
from tracker.core.deliveries.delivery import Terms
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.signing import parse_secret
from tracker.core.events.time_driven import Limits
from tracker.core.ports.cards import Cards
from tracker.core.ports.notifier import Notifier
from tracker.delivery.notifiers.secret_renewal import RenewingNotifier
from tracker.delivery.notifiers.slack.bot import Channel, SlackBot
from tracker.delivery.notifiers.slack.incoming_webhook import SlackWebhook
from tracker.delivery.notifiers.webhook.notifier import Webhook
from tracker.http.client import HttpClient, http_client, tls_context
from tracker.http.proxies import Proxies
from tracker.http.rate_limiter import Pace
from tracker.providers.mistral.client import Mistral
from tracker.runtime.clock import now
from tracker.runtime.heartbeat import Pulse

LARGEST_WITHOUT_DIGEST: Final = 3
"""So many events that come together are told one by one in Slack; more become one message."""

MESSAGES_PER_SECOND: Final = 1.0
"""What Slack takes for a channel."""


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
async def providing(
    account: Account,
    network: Network | None = None,
    pace: Pace | None = None,
    answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    *,
    pulse: Pulse | None = None,
) -> AsyncIterator[Mistral]:
    """The account's API, within its budget, over connections of its own; `pulse` is of the loop that asks."""
    network = network or Network(tls_context())
    credentials = Credentials(
        {"api_key": account.api_key}, account.headers, owner={"account": account.name}, learned=network.learned
    )
    async with _client(account, network, credentials, pulse) as http:
        yield Mistral(
            http,
            account.base_url,
            credentials,
            pace=pace or Pace(account.requests_per_second),
            deadline=account.request_timeout,
            now=now,
            answered=answered,
        )


@asynccontextmanager
async def notifying(
    receiver: Receiver, network: Network, cards: Cards, pace: Pace | None = None, *, pulse: Pulse | None = None
) -> AsyncIterator[Notifier]:
    """What sends to the receiver, over connections of its own; `pace` is for the messages of Slack alone."""
    named = {"url": receiver.url, "token": receiver.token}
    secrets = {key: secret for key, secret in named.items() if secret}
    secrets |= {f"secret[{index}]": secret for index, secret in enumerate(receiver.secrets)}
    credentials = Credentials(secrets, receiver.headers, owner={"receiver": receiver.name}, learned=network.learned)
    pace = pace or Pace(MESSAGES_PER_SECOND)
    async with _client(receiver, network, credentials, pulse) as http:
        yield RenewingNotifier(lambda: _notifier(receiver, credentials, http, cards, pace, network.external_url), credentials)


def _client(
    of: Account | Receiver, network: Network, identity: Credentials, pulse: Pulse | None
) -> AbstractAsyncContextManager[HttpClient]:
    tls = of.tls.context if of.tls else network.tls
    return http_client(tls, proxies=network.proxies, pulse=pulse, identity=identity)


def limits(account: Account) -> Limits:
    return Limits(
        stalled_after=account.stalled_after,
        timeout_hours=account.timeout_hours,
        unreachable_after=account.unreachable_after,
    )


def subscription(receiver: Receiver) -> Subscription:
    delay = receiver.group_wait if receiver.kind == "slack" else 0.0
    return Subscription(receiver=receiver.name, events=receiver.events, match=receiver.match, delay=delay)


def terms(receiver: Receiver) -> Terms:
    digest = LARGEST_WITHOUT_DIGEST if receiver.kind == "slack" else 0
    return Terms(retry=receiver.retry, hold=receiver.hold, digest=digest)


def _notifier(
    receiver: Receiver, credentials: Credentials, http: HttpClient, cards: Cards, pace: Pace, external_url: str | None
) -> Notifier:
    if receiver.token:
        channel = Channel(name=receiver.channel or "", token=credentials["token"], api=receiver.api, external_url=external_url)
        return SlackBot(http, channel, cards, pace=pace, timeout=receiver.timeout, now=now)
    if receiver.kind == "slack":
        return SlackWebhook(http, credentials["url"], pace=pace, timeout=receiver.timeout, now=now, external_url=external_url)
    keys = [parse_secret(credentials[f"secret[{index}]"]) for index in range(len(receiver.secrets))]
    return Webhook(http, credentials["url"], keys, timeout=receiver.timeout, now=now)

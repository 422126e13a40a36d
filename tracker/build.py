"""Owns what the configuration says of one account or one receiver, made into what does it."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from tracker.clock import now
from tracker.config import Account, Receiver
from tracker.core.delivery import Terms
from tracker.core.fanout import Subscription
from tracker.core.overdue import Limits
from tracker.core.ports import Notifier
from tracker.core.signing import parse_secret
from tracker.http import HttpClient, http_client, tls_context
from tracker.mistral import Mistral
from tracker.notify.slack import SlackWebhook
from tracker.notify.slack_bot import Cards, Channel, SlackBot
from tracker.notify.webhook import Webhook
from tracker.pace import Pace
from tracker.pulse import Pulse

LARGEST_WITHOUT_DIGEST: Final = 3
"""So many events that come together are told one by one in Slack; more become one message."""

MESSAGES_PER_SECOND: Final = 1.0
"""What Slack takes for a channel."""


@asynccontextmanager
async def providing(
    account: Account,
    tls: ssl.SSLContext | None = None,
    pace: Pace | None = None,
    answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    *,
    environment_proxies: bool = False,
    pulse: Pulse | None = None,
) -> AsyncIterator[Mistral]:
    """The account's API, within its budget, over connections of its own; `pulse` is of the loop that asks."""
    async with http_client(tls or tls_context(), environment_proxies=environment_proxies, pulse=pulse) as http:
        yield Mistral(
            http,
            account.base_url,
            account.api_key.reveal(),
            pace=pace or Pace(account.requests_per_second),
            deadline=account.request_timeout,
            now=now,
            answered=answered,
        )


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


def notifier(receiver: Receiver, http: HttpClient, cards: Cards, pace: Pace | None = None) -> Notifier:
    """What sends to the receiver; `pace` is for the messages of Slack alone."""
    url = receiver.url.reveal() if receiver.url else ""
    if receiver.kind == "webhook":
        keys = [parse_secret(secret.reveal()) for secret in receiver.secrets]
        return Webhook(http, url, keys, timeout=receiver.timeout, now=now)
    pace = pace or Pace(MESSAGES_PER_SECOND)
    if receiver.token is None:
        return SlackWebhook(http, url, pace=pace, timeout=receiver.timeout, now=now)
    channel = Channel(name=receiver.channel or "", token=receiver.token.reveal(), api=receiver.api)
    return SlackBot(http, channel, cards, pace=pace, timeout=receiver.timeout, now=now)

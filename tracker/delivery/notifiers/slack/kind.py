"""Owns the kind `slack`: its configuration, its limits, and how the notifier of a bot or of an incoming webhook is made."""

from typing import Final

from tracker.core.ports.notifier import Notifier
from tracker.delivery.notifiers.notifier_kind import NotifierDependencies, NotifierKind
from tracker.delivery.notifiers.slack.bot import Channel, SlackBot
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.slack.incoming_webhook import SlackWebhook
from tracker.delivery.notifiers.templates.wording import Wording

LARGEST_WITHOUT_DIGEST: Final = 3
"""Events that come together and still have a message each; more become one message."""

MESSAGES_PER_SECOND: Final = 1.0
"""Slack's limit for a channel."""


def _create(receiver: SlackReceiver, dependencies: NotifierDependencies) -> Notifier:
    http, credentials, now = dependencies.http, dependencies.credentials, dependencies.now
    rate_limiter, wording = dependencies.rate_limiter, Wording(receiver.name, receiver.template, dependencies.external_url)
    if receiver.token is None:
        url, timeout = credentials["url"], receiver.timeout
        return SlackWebhook(http, url, rate_limiter=rate_limiter, timeout=timeout, now=now, wording=wording)
    channel = Channel(
        name=receiver.channel or "",
        token=credentials["token"],
        api=receiver.api,
        wording=wording,
    )
    return SlackBot(http, channel, dependencies.job_messages, rate_limiter=rate_limiter, timeout=receiver.timeout, now=now)


SLACK: Final = NotifierKind(
    receiver=SlackReceiver,
    create=_create,
    messages_per_second=MESSAGES_PER_SECOND,
    largest_without_digest=LARGEST_WITHOUT_DIGEST,
)

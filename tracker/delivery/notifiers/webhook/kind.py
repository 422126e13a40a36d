"""Owns the kind `webhook`: its configuration, and how its notifier is made."""

from typing import Final

from tracker.core.deliveries.signing import parse_secret
from tracker.delivery.notifiers.notifier_kind import NotifierDependencies, NotifierKind
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.delivery.notifiers.webhook.formats import formatter
from tracker.delivery.notifiers.webhook.notifier import Webhook


def _create(receiver: WebhookReceiver, dependencies: NotifierDependencies) -> Webhook:
    credentials = dependencies.credentials
    keys = [parse_secret(credentials[f"secret[{index}]"]) for index in range(len(receiver.secrets))]
    content = formatter(receiver.format, dependencies.external_url)
    return Webhook(dependencies.http, credentials["url"], keys, timeout=receiver.timeout, now=dependencies.now, content=content)


WEBHOOK: Final = NotifierKind(receiver=WebhookReceiver, create=_create)

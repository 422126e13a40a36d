"""Owns the kind `apprise`: its configuration, its limits, and how its notifier is made."""

from typing import Final

from tracker.delivery.notifiers.apprise.configuration import AppriseReceiver
from tracker.delivery.notifiers.apprise.notifier import AppriseService
from tracker.delivery.notifiers.notifier_kind import NotifierDependencies, NotifierKind
from tracker.delivery.notifiers.templates.wording import Wording

LARGEST_WITHOUT_DIGEST: Final = 3
"""Events that come together and still have a message each; more become one message."""

MESSAGES_PER_SECOND: Final = 1.0
"""What most of the services take."""


def _create(receiver: AppriseReceiver, dependencies: NotifierDependencies) -> AppriseService:
    return AppriseService(
        dependencies.credentials["url"],
        rate_limiter=dependencies.rate_limiter,
        timeout=receiver.timeout,
        heartbeat=dependencies.heartbeat,
        permit=dependencies.permit,
        wording=Wording(receiver.name, receiver.template, dependencies.external_url),
    )


APPRISE: Final = NotifierKind(
    receiver=AppriseReceiver,
    create=_create,
    messages_per_second=MESSAGES_PER_SECOND,
    largest_without_digest=LARGEST_WITHOUT_DIGEST,
)

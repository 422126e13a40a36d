"""The configuration of accounts and receivers, converted to the values of the domain."""

import math
from collections.abc import Iterable

from tracker.config import Account, Receiver
from tracker.config.model import ResultsConfig
from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import WEBHOOK, Subscription
from tracker.core.deliveries.reminders import Reminders
from tracker.core.events.time_limits import TimeLimits
from tracker.core.results.cost import Price
from tracker.delivery.notifiers.kind_registry import NOTIFIER_KINDS
from tracker.providers.vendor_registry import VENDORS
from tracker.results.archive_settings import ArchiveSettings


def archive_settings(results: ResultsConfig, prices: tuple[Price, ...]) -> ArchiveSettings:
    return ArchiveSettings(
        max_file=results.max_file,
        min_free=results.min_free,
        compress=results.compress,
        samples=results.digest_samples,
        prices=prices,
    )


def time_limits(account: Account) -> TimeLimits:
    has_progress = VENDORS[account.provider].capabilities.has_progress
    return TimeLimits(
        stalled_after=account.stalled_after if has_progress else math.inf,
        timeout_hours=account.timeout_hours,
        unreachable_after=account.unreachable_after,
    )


def subscription(receiver: Receiver) -> Subscription:
    return Subscription(
        receiver=receiver.name,
        events=receiver.events,
        match=receiver.match,
        delay=receiver.group_wait,
        is_webhook=receiver.kind == WEBHOOK,
        remind_every=receiver.remind_every,
    )


def reminders(receivers: Iterable[Receiver], watched: Iterable[Receiver]) -> Reminders:
    """Who of `receivers` is reminded; the failures of `watched` are looked at for that."""
    subscriptions = (subscription(each) for each in receivers if math.isfinite(each.remind_every))
    return Reminders(subscriptions=tuple(subscriptions), retry={each.name: each.retry for each in watched})


def delivery_policy(receiver: Receiver) -> DeliveryPolicy:
    digest = NOTIFIER_KINDS[receiver.kind].largest_without_digest
    return DeliveryPolicy(retry=receiver.retry, hold=receiver.hold, digest=digest)

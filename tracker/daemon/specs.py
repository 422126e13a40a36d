"""The specs of workers: the part of the configuration whose change needs another worker."""

from typing import NamedTuple

import msgspec

from tracker.config import Account, Config, Match, Receiver
from tracker.http.proxies import Proxies


class AccountSpec(NamedTuple):
    """All that an account's worker depends on: another spec needs another worker."""

    account: Account
    proxies: Proxies | None


class ReceiverSpec(NamedTuple):
    """All that a receiver's worker depends on."""

    receiver: Receiver
    proxies: Proxies | None
    external_url: str | None = None


def account_spec(config: Config, account: Account) -> AccountSpec:
    """Without the limits, which the time checks use."""
    watched = msgspec.structs.replace(account, stalled_after=0.0, timeout_hours=0.0, unreachable_after=0.0)
    return AccountSpec(watched, config.proxies)


def receiver_spec(config: Config, receiver: Receiver) -> ReceiverSpec:
    """Without the filter of events, which the outbox applies."""
    delivered = msgspec.structs.replace(receiver, events=(), match=Match(), group_wait=0.0)
    return ReceiverSpec(delivered, config.proxies, config.http.external_url)

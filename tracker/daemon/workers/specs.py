"""The specs of workers: the part of the configuration whose change needs another worker."""

from collections.abc import Callable, Collection, Mapping
from math import inf
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from tracker.config import Account, Config, Match, Receiver
from tracker.config.model import ResultsConfig
from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKey, account_lease, receiver_lease
from tracker.core.results.cost import Price
from tracker.http.proxies import Proxies

S = TypeVar("S")


class AccountSpec(NamedTuple):
    """All that an account's worker depends on: another spec needs another worker."""

    account: Account
    proxies: Proxies | None


class ReceiverSpec(NamedTuple):
    """All that a receiver's worker depends on."""

    receiver: Receiver
    proxies: Proxies | None
    external_url: str | None = None


class RetentionSpec(NamedTuple):
    """Where result files are archived, a path or a URL, and how long they are kept: seconds, infinity for forever."""

    archive: str
    spool: Path
    keep: float

    def idle(self) -> "RetentionSpec":
        """The spec that removes only what killed writers of this process left behind, which no other process may see."""
        return self._replace(keep=inf)


class ArchiverSpec(NamedTuple):
    """All that an account's archiver depends on."""

    account: Account
    proxies: Proxies | None
    spool: Path
    results: ResultsConfig
    prices: tuple[Price, ...]


def account_spec(config: Config, account: Account) -> AccountSpec:
    """Without the limits, which the time checks and the metrics use, what is archived, and what signs hints.

    Its `progress_every` is never None, and so short that progress is logged before its job could be stalled without it.
    """
    every = config.storage.progress_every if account.progress_every is None else account.progress_every
    watched = msgspec.structs.replace(
        account,
        progress_every=min(every, account.stalled_after),
        stalled_after=0.0,
        timeout_hours=0.0,
        unreachable_after=0.0,
        results=True,
        pending_limit=0,
        webhook_secrets=(),
    )
    return AccountSpec(watched, config.proxies)


def receiver_spec(config: Config, receiver: Receiver) -> ReceiverSpec:
    """Without the filter of events and reminders, which the outbox applies."""
    delivered = msgspec.structs.replace(receiver, events=(), match=Match(), group_wait=0.0, remind_every=inf)
    return ReceiverSpec(delivered, config.proxies, config.http.external_url)


def archiver_spec(config: Config, account: Account) -> ArchiverSpec:
    """Without what says when and how much the account is polled, which accounts are archived, and how long files are kept."""
    archived = msgspec.structs.replace(
        account_spec(config, account).account,
        poll_interval=0.0,
        requests_per_second=0.0,
        backfill=0.0,
        settle_for=0.0,
        progress_every=0.0,
        failed_share=None,
    )
    results = msgspec.structs.replace(config.results, accounts=(), keep=0.0)
    return ArchiverSpec(archived, config.proxies, config.storage.spool, results, config.prices)


def retention_spec(config: Config) -> RetentionSpec | None:
    """None if nothing is archived."""
    results = config.results
    return RetentionSpec(results.archive, config.storage.spool, results.keep) if results.archive else None


class Specs(NamedTuple):
    """The specs of all workers, by the name of the account or receiver; there is one `retention` at most."""

    accounts: Mapping[str, AccountSpec]
    receivers: Mapping[str, ReceiverSpec]
    archivers: Mapping[str, ArchiverSpec]
    retention: Mapping[str, RetentionSpec]

    def leases(self) -> frozenset[LeaseKey]:
        """The leases under which these workers run, and that of what is done once for the whole log."""
        return frozenset((*map(account_lease, self.accounts), *map(receiver_lease, self.receivers), MAINTENANCE_LEASE))

    def under(self, leases: Collection[LeaseKey]) -> "Specs":
        """Those of the workers that may run under `leases`. Without the log's, retention expires nothing."""
        return Specs(
            _under(leases, self.accounts, account_lease),
            _under(leases, self.receivers, receiver_lease),
            _under(leases, self.archivers, account_lease),
            self.retention if MAINTENANCE_LEASE in leases else {name: spec.idle() for name, spec in self.retention.items()},
        )


def specs_of(config: Config) -> Specs:
    """The specs of all that the configuration has."""
    retention = retention_spec(config)
    return Specs(
        {account.name: account_spec(config, account) for account in config.accounts},
        {receiver.name: receiver_spec(config, receiver) for receiver in config.receivers},
        {account.name: archiver_spec(config, account) for account in config.archived_accounts()},
        {MAINTENANCE_LEASE.name: retention} if retention else {},
    )


def _under(leases: Collection[LeaseKey], specs: Mapping[str, S], lease: Callable[[str], LeaseKey]) -> Mapping[str, S]:
    return {name: spec for name, spec in specs.items() if lease(name) in leases}

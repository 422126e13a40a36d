"""Owns the metric of vendors' webhooks: what became of the messages to /hooks/ACCOUNT, which are hints."""

from collections.abc import Iterable
from typing import Final

from tracker.metrics.families import Families

RESULTS: Final = ("accepted", "repeated", "overflow", "forwarded", "ignored", "refused")


class VendorWebhookMetrics:
    """Counts only accounts that have a secret for webhooks."""

    def __init__(self) -> None:
        self._accounts: frozenset[str] = frozenset()
        self._families = Families()
        self._hints = self._families.counter(
            "hints",
            "Webhooks of vendors by result: accepted, repeated, overflow (a sweep begins early), forwarded to the replica that "
            "polls the account, ignored (about no job), refused (not signed as it should be).",
            "account",
            "result",
        )
        self.collect = self._families.collect

    def configured(self, accounts: Iterable[str]) -> None:
        """Have series of exactly these accounts; those of new ones begin at 0."""
        before, self._accounts = self._accounts, frozenset(accounts)
        self._families.forget("account", before - self._accounts)
        for account in sorted(self._accounts - before):
            for result in RESULTS:
                self._hints.labels(account, result)

    def count(self, account: str, result: str) -> None:
        """A webhook to the account had this result."""
        if account in self._accounts:
            self._hints.labels(account, result).inc()

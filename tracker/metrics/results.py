"""Owns the metrics of results: archived files, missing files, failed attempts, tokens, pages and cost."""

from collections.abc import Iterable, Sequence
from typing import Final

from tracker.core.errors.provider_failure import Reason
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Price, cost_of
from tracker.core.results.result_file import KINDS, ArchivedFile
from tracker.core.results.usage import ModelUsage, Usage
from tracker.metrics.families import Families
from tracker.metrics.jobs.model_labels import ModelLabels

MISSING_REASONS: Final = ("gone", "forbidden", "too_large", "failed")
FAILURE_REASONS: Final = (*Reason, "archive", "disk_full", "contradicted")
OTHER: Final = "other"

_USED: Final = {"prompt_tokens": "Tokens of prompts", "completion_tokens": "Tokens of answers", "pages": "Pages of OCR"}


class ResultMetrics:
    """Counts what the archivers do. Accounts that are not configured are not counted."""

    def __init__(self, models: ModelLabels) -> None:
        self._models = models
        self._accounts: frozenset[str] = frozenset()
        self._prices: tuple[Price, ...] = ()
        families = self._families = Families()
        self._files = families.counter("archived_files", "Result files that were archived.", "account", "kind")
        self._bytes = families.counter(
            "archived_bytes", "Bytes of the content of result files that were archived.", "account", "kind"
        )
        self._missing = families.counter(
            "missing_result_files", "Result files that could not be archived and are not tried again.", "account", "reason"
        )
        self._failures = families.counter(
            "archive_failures", "Attempts to archive a job's results that failed and are repeated.", "account", "reason"
        )
        self._used = {
            name: families.counter(f"result_{name}", f"{what} of the requests in archived files.", "account", "model")
            for name, what in _USED.items()
        }
        self._cost = families.counter(
            "result_cost", "Cost of the requests in archived files by the configured prices.", "account", "model", "currency"
        )
        self.collect = families.collect

    def configured(self, accounts: Iterable[str], prices: Iterable[Price] = ()) -> None:
        """Have the series of these accounts, at 0 where they are new, and no others; from now on usage has these prices."""
        before, self._accounts = self._accounts, frozenset(accounts)
        self._prices = tuple(prices)
        self._families.forget("account", before - self._accounts)
        for account in sorted(self._accounts - before):
            self._start_at_zero(account)

    def has_model(self, account: str, model: str | None) -> None:
        """There is a job of the model: its counters exist before they count."""
        if account in self._accounts:
            label = self._models.label(account, model)
            for counter in self._used.values():
                counter.labels(account, label)

    def archived(self, results: Results, earlier: Sequence[ArchivedFile] = ()) -> None:
        """The results were recorded; files of the same job that were recorded before, as `earlier`, are not counted again."""
        if results.account not in self._accounts:
            return
        counted = {each.file_id for each in earlier}
        new = [each for each in results.files if each.file_id not in counted]
        for file in new:
            self._files.labels(results.account, file.kind).inc()
            self._bytes.labels(results.account, file.kind).inc(file.bytes)
        for missing in results.missing:
            self._missing.labels(results.account, missing.reason).inc()
        if results.usage and (not counted or "output" in [each.kind for each in new]):
            for model, used in results.usage.by_model.items():
                self._add_usage(results.account, model, used)

    def postponed(self, account: str, reason: str) -> None:
        """An attempt failed, and another one follows."""
        if account in self._accounts:
            self._failures.labels(account, reason if reason in FAILURE_REASONS else OTHER).inc()

    def _add_usage(self, account: str, model: str, used: ModelUsage) -> None:
        label = self._models.label(account, model)
        for name, counter in self._used.items():
            counter.labels(account, label).inc(getattr(used, name))
        cost = cost_of(Usage(by_model={model: used}), self._prices)
        for currency, amount in cost.amounts.items() if cost else ():
            self._cost.labels(account, label, currency).inc(float(amount))

    def _start_at_zero(self, account: str) -> None:
        for kind in KINDS:
            self._files.labels(account, kind)
            self._bytes.labels(account, kind)
        for reason in MISSING_REASONS:
            self._missing.labels(account, reason)
        for reason in (*FAILURE_REASONS, OTHER):
            self._failures.labels(account, reason)

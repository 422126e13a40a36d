"""Owns the usage and the cost of many jobs: a row for each model, account or vendor, and the total."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from tracker.core.results.cost import Cost, Price, cost_of, total_cost
from tracker.core.results.usage import ModelUsage, Usage

GroupBy = Literal["model", "account", "provider"]

SEVERAL_MODELS: Final = "(several models)"
"""The row of recorded costs of several models together that today's prices cannot split."""


NOT_CONFIGURED: Final = "(not configured)"
"""The row of accounts that the configuration no longer has, so that their vendor is unknown."""


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of `jobs` jobs and its cost; `cost` is None without prices."""

    jobs: int = 0
    usage: ModelUsage = ModelUsage()
    cost: Cost | None = None


class UsageReport:
    """Adds up the results of jobs. Its size does not grow with their number."""

    def __init__(self, by: GroupBy, prices: Sequence[Price] = (), providers: Mapping[str, str] = MappingProxyType({})) -> None:
        """`prices` are for usage whose cost was not recorded; `providers` are the vendors of the accounts."""
        self._by = by
        self._providers = providers
        self._prices = prices
        self._rows: dict[str, UsageRow] = {}
        self.total = UsageRow()
        self.without_usage = 0  # jobs of which nothing is archived

    def add(self, results: Mapping[str, Any]) -> None:
        """Count the results of one job, as `Reader.results` gives them."""
        if not results["usage"]:
            self.without_usage += 1
            return
        usage = msgspec.convert(results["usage"], Usage)
        recorded = msgspec.convert(results["cost"], Cost) if results["cost"] else None
        cost = recorded or cost_of(usage, self._prices)
        self.total = _sum(self.total, UsageRow(jobs=1, usage=usage.total, cost=cost))
        if self._by != "model":
            account = results["account"]
            name = account if self._by == "account" else self._providers.get(account, NOT_CONFIGURED)
            self._count(name, UsageRow(jobs=1, usage=usage.total, cost=cost))
            return
        for model, row in self._by_model(usage, cost):
            self._count(model, row)

    def rows(self) -> list[tuple[str, UsageRow]]:
        """Names with their rows, the one of most tokens first."""
        return sorted(self._rows.items(), key=lambda entry: (-_volume(entry[1]), entry[0]))

    def _count(self, name: str, row: UsageRow) -> None:
        self._rows[name] = _sum(self._rows.get(name, UsageRow()), row)

    def _by_model(self, usage: Usage, cost: Cost | None) -> Iterator[tuple[str, UsageRow]]:
        """The parts of one job. Costs of several models are divided by today's prices, if these give the same sum."""
        models = usage.by_model
        costs = dict.fromkeys(models, cost) if len(models) == 1 else self._divided(models, cost)
        for model, used in models.items():
            yield model, UsageRow(jobs=1, usage=used, cost=costs.get(model))
        if cost and cost.amounts and not costs:
            yield SEVERAL_MODELS, UsageRow(cost=cost)

    def _divided(self, models: Mapping[str, ModelUsage], cost: Cost | None) -> Mapping[str, Cost | None]:
        costs = {model: cost_of(Usage(by_model={model: used}), self._prices) for model, used in models.items()}
        together = total_cost(filter(None, costs.values()))
        return costs if cost is None or together.amounts == cost.amounts else {}


def _sum(one: UsageRow, other: UsageRow) -> UsageRow:
    costs = [each for each in (one.cost, other.cost) if each]
    return UsageRow(jobs=one.jobs + other.jobs, usage=one.usage + other.usage, cost=total_cost(costs) if costs else None)


def _volume(row: UsageRow) -> int:
    return row.usage.total_tokens + row.usage.pages + row.usage.requests

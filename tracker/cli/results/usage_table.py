"""Owns usage and cost as a table: a row for each model or account, and the total."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, UnsetType
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import quantities, table_layout
from tracker.cli.formatting.table_layout import Column
from tracker.core.results.cost import Cost
from tracker.core.results.usage_report import GroupBy, UsageReport, UsageRow
from tracker.core.text.escaping import plain

TOTAL = "total"


def usage_table(report: UsageReport, width: int, by: GroupBy = "model", *, jobs: bool = False) -> Table:
    """The rows of `report`, with the total if there is more than one; `jobs`: with the number of jobs of each row."""
    rows = report.rows()
    shown = [(plain(name), row) for name, row in rows] + ([(TOTAL, report.total)] if len(rows) != 1 else [])
    cells: list[list[Text | str]] = [
        [name, *map(_number, _numbers(row)), Text(cost_words(row.cost, name))] for name, row in shown
    ]
    columns = (
        Column(by, most=60, shrinks=True),
        Column("jobs", right=True, rank=3),
        Column("requests", right=True, rank=1),
        Column("prompt", right=True, rank=2),
        Column("completion", right=True, rank=2),
        Column("tokens", right=True),
        Column("pages", right=True, rank=1),
        Column("cached", right=True, rank=2),
        Column("cost"),
    )
    kept = [number for number, column in enumerate(columns) if _is_shown(column.name, report.total, jobs=jobs)]
    return table_layout.table([columns[number] for number in kept], [[row[number] for number in kept] for row in cells], width)


def usage_json(name: str | None, row: UsageRow, by: str) -> dict[str, Any]:
    """A row as JSON; `name` is None for the total, of which `by` is "total"."""
    names = ("jobs", *type(row.usage).__struct_fields__)
    counts = {name: count for name, count in zip(names, _numbers(row), strict=True) if count is not UNSET}
    cost = {"amounts": row.cost.amounts, "unpriced_models": [*row.cost.unpriced_models]} if row.cost else None
    return {"by": by, "name": name, **counts, "cost": cost}


def _numbers(row: UsageRow) -> Sequence[int | UnsetType]:
    return row.jobs, *(getattr(row.usage, name) for name in row.usage.__struct_fields__)


def _number(count: int | UnsetType) -> str:
    return "-" if count is UNSET else f"{count:,}"


def cost_words(cost: Cost | None, name: str) -> str:
    """The amounts, and the models without a price; the row of one model, which is its `name`, does not repeat it."""
    if not cost:
        return "-"
    models = [plain(model) for model in cost.unpriced_models]
    unpriced = f"no price for {', '.join(models)}" if models else ""
    if models == [name]:
        unpriced = "some usage has no price" if cost.amounts else "no price"
    return ", ".join(filter(None, (quantities.money(cost.amounts) if cost.amounts else "", unpriced)))


def _is_shown(column: str, total: UsageRow, *, jobs: bool) -> bool:
    """Whether the column is shown: it is not if it would be empty."""
    usage = total.usage
    shown = {"jobs": jobs, "pages": usage.pages > 0, "cached": usage.cached_tokens is not UNSET, "cost": total.cost is not None}
    return shown.get(column, True)

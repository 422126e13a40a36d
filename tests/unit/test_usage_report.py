"""Usage and cost of many jobs: rows by model or account, exact money, and costs that were recorded or are of today."""

from decimal import Decimal

import msgspec
import pytest

from tracker.core.results.cost import Cost, Price, cost_of
from tracker.core.results.usage import ModelUsage, Usage
from tracker.core.results.usage_report import SEVERAL_MODELS, UsageReport

PRICES = (
    Price(model="small", currency="EUR", input_per_million=Decimal("0.1"), output_per_million=Decimal("0.3")),
    Price(model="large", currency="USD", input_per_million=Decimal(2), output_per_million=Decimal(6)),
)


def used(requests=1, prompt=0, completion=0, pages=0):
    return ModelUsage(
        requests=requests, prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion, pages=pages
    )


def results(account="default", cost=None, **by_model):
    """What the reader gives of a job that has used this; a `cost` of True is the one by `PRICES`."""
    total = sum(by_model.values(), ModelUsage())
    usage = Usage(total=total, by_model=by_model)
    cost = cost_of(usage, PRICES) if cost is True else cost
    return {"account": account, "usage": msgspec.to_builtins(usage), "cost": cost and msgspec.to_builtins(cost)}


def report(by, *all_results, prices=()):
    made = UsageReport(by, prices)
    for each in all_results:
        made.add(each)
    return made


def test_rows_and_total_add_up():
    """Each model has the sums over all jobs, the most used first; a job of two models counts once in the total."""
    both = results(small=used(2, 10, 20), large=used(1, 1, 1))
    made = report("model", both, results("other", small=used(3, 100, 200)))
    assert [(name, row.jobs, row.usage.requests, row.usage.total_tokens) for name, row in made.rows()] == [
        ("small", 2, 5, 330),
        ("large", 1, 1, 2),
    ]
    assert (made.total.jobs, made.total.usage.total_tokens, made.total.cost) == (2, 332, None)
    by_account = report("account", both, results("other", small=used(3, 100, 200)))
    assert [(name, row.usage.total_tokens) for name, row in by_account.rows()] == [("other", 300), ("default", 32)]
    assert by_account.total == made.total
    by_vendor = UsageReport("provider", providers={"default": "openai"})
    for each in (both, both, results("other", small=used(3, 100, 200))):
        by_vendor.add(each)
    assert [(name, row.jobs) for name, row in by_vendor.rows()] == [("(not configured)", 1), ("openai", 2)]


def test_money_is_exact_and_by_currency():
    """A thousand jobs of a ten-millionth each are a ten-thousandth, in each currency of its own."""
    tiny = Cost(amounts={"EUR": "0.0000001"})
    made = report("account", *[results(small=used(), cost=tiny)] * 1000, results(large=used(), cost=Cost(amounts={"USD": "3"})))
    assert made.total.cost == Cost(amounts={"EUR": "0.0001", "USD": "3"})


def test_recorded_costs_are_kept_and_others_are_of_today():
    """A cost that was recorded is not computed again; usage without one is priced by today's prices, if there are any."""
    recorded = Cost(amounts={"EUR": "7"})
    made = report("model", results(small=used(1, 10**6), cost=recorded), results(small=used(1, 10**6)), prices=PRICES)
    assert made.rows()[0][1].cost == Cost(amounts={"EUR": "7.1"})
    unpriced = report("model", results(tiny=used(1, 5)), prices=PRICES)
    assert unpriced.total.cost == Cost(unpriced_models=("tiny",))


@pytest.mark.parametrize(
    ("prices", "cost", "rows"),
    [
        (PRICES, True, {"small": {"EUR": "0.1"}, "large": {"USD": "6"}}),
        ((), None, {"small": None, "large": None}),
        ((), True, {"small": None, "large": None, SEVERAL_MODELS: {"EUR": "0.1", "USD": "6"}}),
        (PRICES[:1], True, {"small": None, "large": None, SEVERAL_MODELS: {"EUR": "0.1", "USD": "6"}}),
    ],
    ids=["today's prices are those of then", "no price", "prices were removed", "prices were changed"],
)
def test_cost_of_several_models_is_divided_or_stays_whole(prices, cost, rows):
    """Where today's prices give the recorded sum, each model has its part; else the sum has a row of its own."""
    made = report("model", results(small=used(1, 10**6), large=used(1, 0, 10**6), cost=cost), prices=prices)
    assert {name: row.cost and row.cost.amounts for name, row in made.rows()} == rows
    assert (made.total.cost is None) == (cost is None)


def test_jobs_without_usage_are_counted_apart():
    """What is gone, or of which nothing was archived, is no job of the table."""
    made = report("model", {"account": "default", "usage": None, "cost": None})
    assert (made.rows(), made.total.jobs, made.without_usage) == ([], 0, 1)

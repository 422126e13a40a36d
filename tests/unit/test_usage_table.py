"""Usage and cost as a table: each row says once what has no price."""

import json
from io import StringIO

import pytest
from rich.console import Console

from tracker.cli.results.usage_table import cost_words, usage_json, usage_table
from tracker.core.results.cost import Cost
from tracker.core.results.usage_report import UsageReport


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (Cost(amounts={"EUR": "0.5"}, unpriced_models=()), "0.5 EUR"),
        (Cost(amounts={}, unpriced_models=("small",)), "no price"),
        (Cost(amounts={"EUR": "0.5"}, unpriced_models=("small",)), "0.5 EUR, some usage has no price"),
        (Cost(amounts={}, unpriced_models=("large",)), "no price for large"),
        (Cost(amounts={"EUR": "0.5"}, unpriced_models=("small", "large")), "0.5 EUR, no price for small, large"),
        (None, "-"),
    ],
)
def test_the_row_of_a_model_does_not_repeat_its_name(cost, words):
    """The row of "small" says what has no price; it names models only where there are others."""
    assert cost_words(cost, "small") == words


def drawn(**usage):
    report = UsageReport("model")
    report.add({"usage": {"total": usage, "by_model": {"m": usage, "other": {"requests": 1}}}, "cost": None, "account": "a"})
    console = Console(width=120, file=StringIO())
    console.print(usage_table(report, 120))
    return [line.split() for line in console.file.getvalue().splitlines()], usage_json(None, report.total, "total")


def test_cached_tokens_are_shown_where_they_are_known():
    """Their column and property exist once an answer has any; a model without them has a dash, and no zero."""
    shown, total = drawn(requests=2, prompt_tokens=20, completion_tokens=10, total_tokens=30, cached_tokens=16)
    assert shown[0] == ["model", "requests", "prompt", "completion", "tokens", "cached"]
    assert shown[1] == ["m", "2", "20", "10", "30", "16"]
    assert shown[2] == ["other", "1", "0", "0", "0", "-"]
    assert total["cached_tokens"] == 16
    shown, total = drawn(requests=2, prompt_tokens=20, completion_tokens=10, total_tokens=30)
    assert shown[0] == ["model", "requests", "prompt", "completion", "tokens"]
    assert "cached_tokens" not in total
    assert json.dumps(total)

"""Owns the cost of usage by the user's own prices; it has no prices of its own. Money is decimal, never a float."""

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from tracker.core.results.usage import ModelUsage, Usage

_EXACT: Final = Context(prec=60)
"""Enough digits that no sum or product of configured prices is ever rounded."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """The price of the models that the glob `model` matches; a quantity without a price is None.

    The amounts are for a million tokens in, a million tokens out, and a thousand pages, in `currency` (such as "EUR"), as the
    user pays them for a batch.
    """

    model: str
    currency: str
    input_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    per_thousand_pages: Decimal | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a job, its fields those of the event's JSON.

    `amounts` are exact decimal numbers as text by currency, such as {"EUR": "0.0123"}. `unpriced_models` are models with
    usage that has no price, which the amounts lack.
    """

    amounts: dict[str, str] = {}
    unpriced_models: tuple[str, ...] = ()


def cost_of(usage: Usage, prices: Sequence[Price]) -> Cost | None:
    """The cost of `usage`, each model by the first price whose glob matches it; None if there are no prices."""
    if not prices:
        return None
    amounts: dict[str, Decimal] = {}
    unpriced = []
    for model, used in usage.by_model.items():
        price = next((each for each in prices if fnmatchcase(model, each.model)), None)
        if price is not None:
            amounts[price.currency] = _EXACT.add(amounts.get(price.currency, Decimal()), _amount(used, price))
        if price is None or not _covers(price, used):
            unpriced.append(model)
    return Cost(amounts={currency: _text(amount) for currency, amount in amounts.items()}, unpriced_models=tuple(unpriced))


def total_cost(costs: Iterable[Cost]) -> Cost:
    """All of them together."""
    amounts: dict[str, Decimal] = {}
    unpriced: dict[str, None] = {}
    for cost in costs:
        unpriced |= dict.fromkeys(cost.unpriced_models)
        for currency, amount in cost.amounts.items():
            amounts[currency] = _EXACT.add(amounts.get(currency, Decimal()), Decimal(amount))
    return Cost(amounts={currency: _text(amount) for currency, amount in amounts.items()}, unpriced_models=tuple(unpriced))


def _parts(used: ModelUsage, price: Price) -> tuple[tuple[int, Decimal | None, int], ...]:
    """Each used quantity, its price, and the number of units (as a power of ten) that the price is for."""
    return (
        (used.prompt_tokens, price.input_per_million, 6),
        (used.completion_tokens, price.output_per_million, 6),
        (used.pages, price.per_thousand_pages, 3),
    )


def _amount(used: ModelUsage, price: Price) -> Decimal:
    amount = Decimal()
    for number, each, power in _parts(used, price):
        if each is not None:
            amount = _EXACT.add(amount, _EXACT.multiply(each, number).scaleb(-power, _EXACT))
    return amount


def _covers(price: Price, used: ModelUsage) -> bool:
    """Whether the price covers all of the usage."""
    return all(each is not None for number, each, _ in _parts(used, price) if number)


def _text(amount: Decimal) -> str:
    """Without an exponent, and without zeros at its end: "12.5"."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

"""Owns reading [results] and [[prices]]: where result files are archived, and what requests cost."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from tracker.config.model import ResultsConfig
from tracker.config.secrets import secret_references
from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue, Table
from tracker.core.results.cost import Price

_OBJECT_STORE: Final = re.compile(r"(?:s3|gs|az)://[A-Za-z0-9][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.=-]+)*/?")
_PRICES: Final = {"input": "input_per_million", "output": "output_per_million", "pages": "per_thousand_pages"}
"""The keys that hold an amount, and the field of `Price` that each is."""

_LARGEST_PRICE: Final = 1_000_000
_MOST_DIGITS: Final = 12
"""Of a price, behind its decimal point."""


def read_results(values: Any, errors: list[str], environ: Mapping[str, str]) -> ResultsConfig:
    """The table [results]; mistakes go to `errors`."""
    found, default = Table(values, "results", errors, ResultsConfig.__struct_fields__), ResultsConfig()
    return ResultsConfig(
        archive=found.get("archive", _archive(environ), default.archive),
        keep=found.get("keep", toml_table.duration_or_forever("1h", "3650d"), default.keep),
        max_file=found.get("max_file", toml_table.size("1KB", "1000TB"), default.max_file),
        min_free=found.get("min_free", toml_table.size("0B", "1000TB"), default.min_free),
        compress=found.get("compress", toml_table.boolean, default.compress),
        accounts=found.get("accounts", toml_table.texts, default.accounts),
        digest_samples=found.get("digest_samples", toml_table.boolean, default.digest_samples),
    )


def read_prices(values: dict[str, Any], errors: list[str]) -> tuple[Price, ...]:
    """The prices of the file (`values`), in its order; mistakes go to `errors`."""
    return tuple(_price(each, path, errors) for path, each in toml_table.tables(values, "prices", errors))


def _price(values: Any, path: str, errors: list[str]) -> Price:
    found = Table(values, path, errors, ("model", *_PRICES, "currency"))
    if isinstance(values, dict) and not values.keys() & _PRICES.keys():
        found.add_mistake("", "expected at least one of `input`, `output` and `pages`")
    return Price(
        model=found.require("model", toml_table.text, "", 'a model or a glob, such as "mistral-small-*"'),
        currency=found.require("currency", _currency, "", 'a currency, such as "EUR"'),
        **{field: found.get(key, _amount, None) for key, field in _PRICES.items()},
    )


def _archive(environ: Mapping[str, str]) -> Callable[[Any], str]:
    """Read the path of a directory, or the URL of an object store; a URL with credentials is rejected and not shown."""

    def read(value: Any) -> str:
        expected = 'expected the path of a directory, or a URL such as "s3://bucket/prefix" (s3, gs or az)'
        if isinstance(value, str) and "://" in value:
            if not _OBJECT_STORE.fullmatch(value):
                raise InvalidValue(f"found another URL (not shown), {expected}, without credentials and query")
            return value.removesuffix("/")
        return str(secret_references.path(environ)(value))

    return read


def _amount(value: Any) -> Decimal:
    """Read an amount of money exactly as it is written; a float has the fewest digits that make it."""
    expected = f"expected an amount from 0 to {_LARGEST_PRICE} with at most {_MOST_DIGITS} decimals, such as 0.15"
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LARGEST_PRICE:
        raise InvalidValue(f"found {toml_table.display(value)}, {expected}")
    amount = Decimal(repr(value))
    if amount != round(amount, _MOST_DIGITS):
        raise InvalidValue(f"found {toml_table.display(value)}, {expected}")
    return amount


def _currency(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Z]{3}", value):
        raise InvalidValue(f'found {toml_table.display(value)}, expected a currency of three capital letters, such as "EUR"')
    return value
